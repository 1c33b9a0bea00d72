/** @file What a model is called with: tensors in order or by name, held against what the file says of its inputs. */
import { type AnyTensor, BeyondgradError, cast, formatShape, isTensor } from '@beyondgrad/tensor'
import type { Dimension, Graph, ValueInfo } from './graph.ts'

/** What a model is called with: tensors in the order of its inputs, or one object with tensors by the inputs' names. */
export type ModelArguments = readonly (AnyTensor | Readonly<Record<string, AnyTensor>>)[]

/** Which axis of which inputs counts the samples, by their names. */
export type SampleAxes = Readonly<Record<string, number>>

/** How a model reads the batch: whether the size in the file binds, and where it is. */
export interface BatchReading {
  readonly batch: 'free' | 'fixed'
  /** Undefined: axis 0 of the first input, and of those that are declared alike. */
  readonly samples: SampleAxes | undefined
}

/** The axis of an input that counts samples; undefined if it has none. */
export function sampleAxisOf(
  { inputs }: Graph,
  { name, shape }: ValueInfo,
  samples: SampleAxes | undefined,
): number | undefined {
  if (samples !== undefined) return Object.hasOwn(samples, name) ? samples[name] : undefined
  const first = firstSize(inputs, undefined)
  const own = shape?.[0]
  return own === undefined || own === first || typeof own !== typeof first ? 0 : undefined
}

/** The number of samples that the file declares; undefined if it says that any will do. */
export function declaredBatch({ inputs }: Graph, samples: SampleAxes | undefined): number | undefined {
  const size = firstSize(inputs, samples)
  return typeof size === 'number' ? size : undefined
}

function firstSize(inputs: readonly ValueInfo[], samples: SampleAxes | undefined): Dimension {
  const axisOf = (name: string): number | undefined =>
    samples === undefined ? 0 : Object.hasOwn(samples, name) ? samples[name] : undefined
  const first = inputs.find(
    ({ name, shape }) => shape !== undefined && shape.length > (axisOf(name) ?? Infinity),
  )
  return first?.shape?.[axisOf(first.name)!]
}

export function argumentsOf(graph: Graph, given: ModelArguments, reading: BatchReading): AnyTensor[] {
  const list = isRecord(given)
    ? graph.inputs.map(({ name }) => (Object.hasOwn(given[0], name) ? given[0][name] : undefined))
    : (given as readonly AnyTensor[])
  if (isRecord(given)) {
    const odd = Object.keys(given[0]).find((name) => !graph.inputs.some((input) => input.name === name))
    if (odd !== undefined) throw wrong(graph, `there is no input "${odd}"`)
  } else if (given.length > graph.inputs.length) {
    throw wrong(graph, `${given.length} tensors are too many`)
  }
  const sizes = new Map<string, number>()
  return graph.inputs.map((info, i) => {
    const x = list[i]
    if (!isTensor(x))
      throw wrong(graph, `input "${info.name}" is ${x === undefined ? 'missing' : 'no tensor'}`)
    checkShape(graph, info, x, sizes, reading)
    return checkDType(graph, info, x)
  })
}

function isRecord(given: ModelArguments): given is readonly [Readonly<Record<string, AnyTensor>>] {
  return given.length === 1 && typeof given[0] === 'object' && given[0] !== null && !isTensor(given[0])
}

function wrong(
  { name, inputs }: Graph,
  message: string,
  code: 'value' | 'shape' | 'dtype' = 'value',
): BeyondgradError {
  const wanted = inputs.map((info) => `${info.name} ${formatDimensions(info.shape)}`)
  return new BeyondgradError(
    code,
    `the model ${name || 'from ONNX'}: ${message}; it takes ${wanted.join(', ') || 'nothing'}`,
  )
}

/** `[N, 3, ?]`. */
function formatDimensions(shape: readonly Dimension[] | undefined): string {
  return shape === undefined ? '[any shape]' : `[${shape.map((size) => size ?? '?').join(', ')}]`
}

function checkShape(
  graph: Graph,
  info: ValueInfo,
  x: AnyTensor,
  sizes: Map<string, number>,
  { batch, samples }: BatchReading,
): void {
  const { shape } = info
  if (shape === undefined) return
  const free = batch === 'free' ? sampleAxisOf(graph, info, samples) : undefined
  const fits =
    shape.length === x.shape.length &&
    shape.every((size, axis) => {
      if (axis === free && typeof size === 'number') return true
      return typeof size !== 'number' || size === x.shape[axis]
    })
  if (!fits) throw wrong(graph, `input "${info.name}" can't be ${formatShape(x.shape)}`, 'shape')
  shape.forEach((size, axis) => {
    if (typeof size !== 'string') return
    const before = sizes.get(size)
    const now = x.shape[axis]!
    if (before !== undefined && before !== now) {
      throw wrong(graph, `"${size}" is ${before} in one input and ${now} in "${info.name}"`, 'shape')
    }
    sizes.set(size, now)
  })
}

/** Integers of the other width are taken, too; everything else must be what the file says. */
function checkDType(graph: Graph, { name, dtype }: ValueInfo, x: AnyTensor): AnyTensor {
  const target = dtype === 'float64' ? 'float32' : dtype
  const integers = (of: string | undefined): boolean => of === 'int32' || of === 'int64'
  if (target === undefined || x.dtype === target) return x
  if (integers(target) && integers(x.dtype)) return cast(x, target)
  if (target === 'float32' && x.dtype === 'float64') return cast(x, target)
  throw wrong(graph, `input "${name}" must hold ${target}, not ${x.dtype}`, 'dtype')
}
