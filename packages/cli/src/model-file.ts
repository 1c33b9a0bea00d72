/** @file The model that a command is about. */
import type { Plugin } from '@beyondgrad/autograd'
import { type ImportedModel, importOnnx, type ModelOutput } from '@beyondgrad/onnx-import'
import { type AnyTensor, isFloat, type Tensor } from '@beyondgrad/tensor'
import { UsageError } from './usage-error.ts'

export type Model = ImportedModel<ModelOutput>

/** Reads a model from a path or an address, with the operators that plugins bring. */
export async function openModel(file: string, plugins: readonly Plugin[]): Promise<Model> {
  const source = /^https?:\/\//.test(file) ? new URL(file) : { path: file }
  const operators = plugins.flatMap(({ onnxOperators }) => onnxOperators ?? [])
  return importOnnx<ModelOutput>(source, { operators })
}

/** The output that a loss looks at: the one of that name, or the only one that there is. */
export function outputNamed(model: Model, name: string | undefined): string {
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
