/** @file The model that a command is about. */
import type { Plugin } from '@beyondgrad/autograd'
import { type ImportedModel, importOnnx, type ModelOutput } from '@beyondgrad/onnx-import'
import { type AnyTensor, isFloat, type Tensor } from '@beyondgrad/tensor'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

export type Model = ImportedModel<ModelOutput>

/** Reads a model from a path or an address, with the operators that plugins bring. */
export async function openModel(file: string, plugins: readonly Plugin[]): Promise<Model> {
  const source = /^https?:\/\//.test(file) ? new URL(file) : { path: file }
  const operators = plugins.flatMap(({ onnxOperators }) => onnxOperators ?? [])
  return importOnnx<ModelOutput>(source, { operators })
}

/** What goes into the probabilities that these losses take the logits of. */
const logitsOf: Readonly<Record<string, readonly string[]>> = {
  'cross-entropy': ['Softmax', 'LogSoftmax'],
  'bce-with-logits': ['Sigmoid'],
}

/**
 * The model as a loss wants it, and the name of the output that the loss looks at: where that is probabilities and the loss takes
 * logits, the model ends there, which is said.
 */
export function modelForLoss(
  model: Model,
  loss: string,
  asked: string | undefined,
  terminal: Terminal,
): { readonly model: Model; readonly output: string } {
  const output = outputNamed(model, asked)
  const head = model.probabilities.find((each) => each.output === output)
  if (head === undefined || !(logitsOf[loss] ?? []).includes(head.operator)) return { model, output }
  terminal.complain(`"${output}" is the ${head.operator} of "${head.logits}", which ${loss} looks at instead`)
  return { model: model.withLogits(), output: head.logits }
}

/** The output that a loss looks at: the one of that name, or the only one that there is. */
function outputNamed(model: Model, name: string | undefined): string {
  const names = model.outputs.map((output) => output.name)
  if (name === undefined && names.length === 1) return names[0]!
  if (name !== undefined && names.includes(name)) return name
  throw new UsageError(
    name === undefined
      ? `the model has several outputs, say with --output which one the loss looks at: ${names.join(', ')}`
      : `the model has no output "${name}"; there are: ${names.join(', ')}`,
  )
}

/** One output of a model for given inputs. */
export function outputOf(model: Model, name: string, inputs: Readonly<Record<string, AnyTensor>>): Tensor {
  const output = model.all(inputs)[name]!
  if (!isFloat(output.dtype)) {
    throw new UsageError(`the output "${name}" holds ${output.dtype}; a loss looks at floats`)
  }
  return output as Tensor
}
