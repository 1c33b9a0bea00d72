/**
 * @file A model together with its loss and what there is beyond the gradient, as one ONNX file: any runtime of any language computes
 * it, with a batch of any size.
 */
import { backward, type BackwardOptions, type Extensions } from '@beyondgrad/autograd'
import { type ExportedFile, type ExportInput, exportOnnx, type ModelShape } from '@beyondgrad/onnx'
import {
  type AnyTensor,
  BeyondgradError,
  isNamedMap,
  isTensor,
  placeholder,
  type Tensor,
} from '@beyondgrad/tensor'
import type { ImportedModel, ModelOutput } from './model.ts'

export interface ExtendOptions {
  /** A marked loss of one output and the target. */
  readonly loss: (output: Tensor, target: AnyTensor) => Tensor
  /** Quantities, under the names that they have in the file. */
  readonly extensions: Extensions
  /** The output that the loss looks at. Default: the only one. */
  readonly output?: string
  /** What the target is, perhaps for an output of the given shape. Default: class indices, with the classes on axis 1. */
  readonly target?: ExportInput | ((output: ModelShape) => ExportInput)
  /** Shapes of inputs, by name; a string names a free axis. Default: what the file declares, axis 0 free. */
  readonly inputs?: Readonly<Record<string, ModelShape>>
  /** For the backward pass. */
  readonly backward?: BackwardOptions
  /** What the file is, for whoever opens it. */
  readonly description?: string
}

const targetName = 'target'
const lossName = 'loss'
const batchName = 'N'

/**
 * Writes a model with further outputs: `loss`, and `<quantity>/<parameter>` for every quantity and parameter; Kronecker factors have
 * `/output` and `/input` behind. The inputs are the model's, then `target`; quantities that draw have `random.<stream>`, too.
 * Parameters keep their names.
 *
 * @throws BeyondgradError `value` for sizes that neither the file nor `inputs` says, and whatever `backward` throws
 */
export function extendOnnx<O extends ModelOutput>(
  model: ImportedModel<O>,
  options: ExtendOptions,
): ExportedFile {
  const output = options.output ?? onlyOutput(model)
  const inputs = inputsOf(model, options.inputs ?? {})
  if (Object.hasOwn(inputs, targetName)) {
    throw refused(`an input of the model is called "${targetName}", which the target would be`)
  }
  const { target = classIndices } = options
  const asked = typeof target === 'function' ? target(freeShape(model, inputs, output)) : target
  const all: Readonly<Record<string, ExportInput>> = { ...inputs, [targetName]: asked }
  const names = model.inputs.map(({ name }) => name)
  const file = exportOnnx(
    (given) => {
      const outputs = model.all(Object.fromEntries(names.map((name) => [name, given[name]!])))
      const value = options.loss(outputs[output] as Tensor, given[targetName]!)
      const results = backward(value, options.extensions, options.backward)
      return { ...outputs, [lossName]: value, ...Object.fromEntries(flat(results, [])) }
    },
    {
      inputs: all,
      name: model.name || 'extended',
      outputs: { [lossName]: `the loss of "${output}" and "${targetName}"` },
      ...(options.description !== undefined && { description: options.description }),
    },
  )
  return { ...file, notes: [...model.notes, ...file.notes] }
}

function refused(message: string): BeyondgradError {
  return new BeyondgradError('value', `extendOnnx: ${message}`)
}

function onlyOutput({ outputs }: Pick<ImportedModel<ModelOutput>, 'outputs'>): string {
  if (outputs.length === 1) return outputs[0]!.name
  const names = outputs.map(({ name }) => name)
  throw refused(`the model has several outputs, say which one the loss looks at: ${names.join(', ')}`)
}

/** The classes are on axis 1, as PyTorch has it. */
function classIndices(output: ModelShape): ExportInput {
  return { shape: output.filter((_, axis) => axis !== 1), dtype: 'int32' }
}

/** The model's inputs as the file declares them, or as the caller says. */
function inputsOf(
  model: Pick<ImportedModel<ModelOutput>, 'inputs'>,
  given: Readonly<Record<string, ModelShape>>,
): Record<string, ExportInput> {
  const odd = Object.keys(given).find((name) => !model.inputs.some((info) => info.name === name))
  if (odd !== undefined) {
    const names = model.inputs.map(({ name }) => name)
    throw refused(`the model has no input "${odd}"; there are: ${names.join(', ')}`)
  }
  return Object.fromEntries(
    model.inputs.map(({ name, dtype = 'float32', shape }) => {
      const own = Object.hasOwn(given, name) ? given[name] : shape?.map(freeSize)
      if (own?.every((size) => size !== undefined)) {
        // Floats are the engine's.
        return [name, { shape: own, dtype: dtype === 'float64' ? 'float32' : dtype }] as const
      }
      throw refused(
        `the file does not say the sizes of the input "${name}"; give them, as in inputs: { ${JSON.stringify(name)}: ['N', 3] }`,
      )
    }),
  )
}

/** Axis 0 is free, whatever was declared; names of other axes become such as an export takes. */
function freeSize(size: number | string | undefined, axis: number): number | string | undefined {
  if (typeof size !== 'string') return axis === 0 ? batchName : size
  const plain = size.replace(/\W/g, '_')
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`
}

/** Sizes that are tried for free axes; a little later they are one more. */
const triedSize = 5

/** The shape of an output, in the names of the free axes. */
function freeShape(
  model: ImportedModel<ModelOutput>,
  inputs: Readonly<Record<string, ExportInput>>,
  output: string,
): ModelShape {
  const axes = new Set(
    Object.values(inputs).flatMap(({ shape }) => shape.filter((size) => typeof size === 'string')),
  )
  const shapeAt = (grown: string | undefined): readonly number[] => {
    const given = Object.entries(inputs).map(([name, { shape, dtype }]) => {
      const sizes = shape.map((size) =>
        typeof size === 'string' ? triedSize + (size === grown ? 1 : 0) : size,
      )
      return [name, placeholder(sizes, dtype ?? 'float32', name)] as const
    })
    return model.all(Object.fromEntries(given))[output]!.shape
  }
  const base = shapeAt(undefined)
  const grown = [...axes].map((name) => ({ name, shape: shapeAt(name) }))
  return base.map((size, axis) => {
    const causes = grown.filter(({ shape }) => shape[axis] !== size)
    if (causes.length === 0) return size
    const [{ name, shape }] = causes as [(typeof grown)[number]]
    if (causes.length === 1 && size === triedSize && shape[axis] === triedSize + 1) return name
    throw refused(
      `axis ${axis} of the output "${output}" depends on ${causes.map((each) => each.name).join(' and ')} in a way that a shape can't say; give target: { shape, dtype }`,
    )
  })
}

/** Tensors by where they are in a result. */
function flat(value: unknown, path: readonly string[]): [string, AnyTensor][] {
  if (isTensor(value)) return [[path.join('/'), value]]
  if (typeof value !== 'object' || value === null) return []
  const entries = isNamedMap(value)
    ? [...value].map(([key, each]) => [key.name, each] as const)
    : Object.entries(value)
  return entries.flatMap(([name, each]) => flat(each, [...path, name]))
}
