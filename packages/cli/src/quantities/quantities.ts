/** @file Computes the quantities of a model on one batch: one execution for all of them. */
import { backward, type Reduction } from '@beyondgrad/autograd'
import { Normalizer } from '@beyondgrad/backpack'
import { evaluate, type NDArray, tensor } from '@beyondgrad/tensor'
import { deliver, outFormat, readArray } from '../array-files.ts'
import { chooseEngine, type EngineName } from '../engine-choice.ts'
import { readInputs } from '../model-inputs.ts'
import { modelForLoss, openModel, outputOf } from '../model-file.ts'
import { lossNamed } from '../named-loss.ts'
import { loadPlugins } from '../plugins.ts'
import { type QuantityOptions, requestedQuantities } from '../requested-quantities.ts'
import type { Terminal } from '../terminal.ts'
import { arraysOf, documentOf, render, type Results } from './document.ts'
import { divisorOf } from './normalizer.ts'
import { supported } from './supported.ts'

export interface QuantitiesOptions extends QuantityOptions {
  readonly input: readonly string[]
  readonly target: string
  readonly loss: string
  readonly reduction: Reduction
  readonly output?: string
  readonly engine: EngineName
  readonly out?: string
  readonly plugin: readonly string[]
  readonly json?: boolean
}

export async function quantities(
  file: string,
  options: QuantitiesOptions,
  terminal: Terminal,
): Promise<void> {
  if (options.out !== undefined) outFormat(options.out)
  const plugins = await loadPlugins(options.plugin)
  const asked = requestedQuantities(options, plugins)
  const loss = lossNamed(options.loss, options.reduction, plugins)
  terminal.progress('reading')
  const opened = await openModel(file, plugins)
  const { model, output: name } = modelForLoss(opened, loss.name, options.output, terminal)
  const output = outputOf(model, name, await readInputs(model, options.input))
  const target = loss.target(await readArray('--target', options.target), output.shape)
  const value = loss.of(output, tensor(target as NDArray))
  const { extensions, unsupported } = supported(value, asked)
  terminal.progress(`computing ${Object.keys(extensions).join(', ')}`)
  const chosen = await chooseEngine(options.engine, terminal)
  const { normalizer, ...results } = backward(value, { ...extensions, normalizer: Normalizer() })
  const found = await evaluate(
    { loss: value, output, normalizer: normalizer, results },
    { engine: chosen.engine },
  )
  const all: Results = {
    loss: found.loss.data[0]!,
    engine: chosen.name,
    normalizer: divisorOf(found.normalizer.data[0]!),
    output: found.output,
    quantities: found.results,
    unsupported,
  }
  const forms = {
    document: () => documentOf(all),
    arrays: () => arraysOf(all),
    text: () => render(all),
  }
  await deliver(forms, options, terminal)
}
