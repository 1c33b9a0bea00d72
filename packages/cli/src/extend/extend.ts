/** @file Writes a model with its loss and quantities as further outputs. */
import type { Reduction } from '@beyondgrad/autograd'
import { extendOnnx } from '@beyondgrad/onnx-import'
import type { AnyTensor, Tensor } from '@beyondgrad/tensor'
import { writeBytes } from '../array-files.ts'
import { modelForLoss, openModel } from '../model-file.ts'
import { inputShapes } from '../model-inputs.ts'
import { lossNamed } from '../named-loss.ts'
import { loadPlugins } from '../plugins.ts'
import { type QuantityOptions, requestedQuantities } from '../requested-quantities.ts'
import type { Terminal } from '../terminal.ts'
import { UsageError } from '../usage-error.ts'

export interface ExtendCommandOptions extends QuantityOptions {
  readonly loss: string
  readonly reduction: Reduction
  readonly out: string
  readonly output?: string
  readonly shape: readonly string[]
  readonly plugin: readonly string[]
  readonly json?: boolean
}

export async function extend(file: string, options: ExtendCommandOptions, terminal: Terminal): Promise<void> {
  if (!/\.onnx$/i.test(options.out))
    throw new UsageError(`--out ${options.out}: an extended model is a .onnx`)
  const plugins = await loadPlugins(options.plugin)
  const extensions = requestedQuantities(options, plugins)
  const loss = lossNamed(options.loss, options.reduction, plugins)
  terminal.progress('reading')
  const opened = await openModel(file, plugins)
  const { model, output } = modelForLoss(opened, loss.name, options.output, terminal)
  terminal.progress('tracing')
  const { bytes, inputs, outputs, notes } = extendOnnx(model, {
    loss: (y: Tensor, target: AnyTensor) => loss.of(y, target),
    extensions,
    output,
    inputs: Object.fromEntries(inputShapes(model, options.shape)),
    target: (shape) => loss.targetFor(shape),
    description: `${file} with ${Object.keys(extensions).join(', ')}`,
  })
  await writeBytes(options.out, bytes)
  terminal.progress('')
  if (options.json) {
    terminal.print(JSON.stringify({ out: options.out, bytes: bytes.length, inputs, outputs, notes }))
    return
  }
  const line = ({ name, dtype, shape }: (typeof outputs)[number]): string =>
    `${name} ${dtype} [${shape.join(', ')}]`
  terminal.print(
    [
      `${options.out}: ${bytes.length} bytes`,
      ...inputs.map((value) => `input ${line(value)}`),
      ...outputs.map((value) => `output ${line(value)}`),
      ...notes.map((note) => `note: ${note}`),
    ].join('\n'),
  )
}
