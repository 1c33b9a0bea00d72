/** @file Explains what quantities of a model would cost. */
import { explain, type Explanation, type Reduction } from '@beyondgrad/autograd'
import { placeholder } from '@beyondgrad/tensor'
import { modelForLoss, openModel, outputOf } from '../model-file.ts'
import { inputShapes, zeroInputs } from '../model-inputs.ts'
import { lossNamed } from '../named-loss.ts'
import { loadPlugins } from '../plugins.ts'
import { type QuantityOptions, requestedQuantities } from '../requested-quantities.ts'
import type { Terminal } from '../terminal.ts'

export interface ExplainOptions extends Omit<QuantityOptions, 'seed'> {
  readonly loss: string
  readonly reduction: Reduction
  readonly batch: number
  readonly output?: string
  readonly shape: readonly string[]
  readonly plugin: readonly string[]
  readonly json?: boolean
}

/** The document that `--json` prints: columns, work and bytes where they are known. */
export type ExplainDocument = { readonly model: string; readonly loss: string } & Omit<
  Explanation,
  'toString'
>

export async function explainModel(file: string, options: ExplainOptions, terminal: Terminal): Promise<void> {
  const plugins = await loadPlugins(options.plugin)
  const extensions = requestedQuantities({ ...options, seed: 0 }, plugins)
  const loss = lossNamed(options.loss, options.reduction, plugins)
  terminal.progress('reading')
  const opened = await openModel(file, plugins)
  const { model, output: name } = modelForLoss(opened, loss.name, options.output, terminal)
  const inputs = zeroInputs(model, inputShapes(model, options.shape), options.batch)
  const output = outputOf(model, name, inputs)
  const { shape, dtype } = loss.targetFor(output.shape)
  terminal.progress('building')
  const explanation = explain(loss.of(output, placeholder(shape, dtype, 'target')), extensions)
  terminal.progress('')
  const { samples, parameters, quantities } = explanation
  const document: ExplainDocument = { model: file, loss: loss.name, samples, parameters, quantities }
  terminal.print(options.json ? JSON.stringify(document) : explanation.toString())
}
