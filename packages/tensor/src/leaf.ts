/**
 * @file Leaves: where values enter a graph. `tensor` and cells (parameters) are run-time inputs and hashed by
 * identity; `constant` is hashed by content and baked in; `placeholder` stands for an argument while tracing;
 * `random` is filled by the host at every run.
 */
import {
  allocate,
  checkDType,
  type DataOf,
  type DType,
  dtypeOf,
  type HostArray,
  type NDArray,
} from './dtype.ts'
import { BeyondgradError, DTypeError, ShapeError } from './errors.ts'
import { type AnyTensor, buildLeaf, isTensor, type Tensor } from './node.ts'
import type { Op } from './op.ts'
import type { Distribution, RandomSource } from './random.ts'
import { checkShape, formatShape, type Shape, sizeOf } from './shape.ts'

const dataOp: Op = { name: 'data', family: 'leaf' }
const cellOp: Op = { name: 'cell', family: 'leaf' }
const constantOp: Op = { name: 'constant', family: 'leaf' }
const placeholderOp: Op = { name: 'placeholder', family: 'leaf' }
const randomOp: Op = { name: 'random', family: 'leaf' }

/** Numbers nested as deeply as the tensor has axes. */
export type Nested = number | readonly Nested[]

/** The value of a `tensor(…)` leaf; an object of its own, so that it is hashed by identity. */
export interface HostValue {
  readonly data: HostArray
}

/**
 * A mutable place for one tensor: what a parameter is made of. An update swaps the buffer and counts the version;
 * it never writes into a buffer.
 */
export interface Cell {
  /** What the outermost model that contains it calls it. */
  name: string
  readonly shape: Shape
  readonly dtype: DType
  readonly trainable: boolean
  data: HostArray
  version: number
  /** Settles when every writing run that was asked for so far is done; undefined if there was none. */
  writing?: Promise<unknown>
}

/**
 * A tensor with data. A typed array is taken over, not copied: don't write to it afterwards.
 *
 * @param data numbers nested as deeply as the tensor has axes, or a typed array together with its shape
 */
export function tensor(data: Nested): Tensor
export function tensor<D extends DType>(
  data: DataOf<D>,
  options: { readonly shape: Shape; readonly dtype: D },
): Tensor<D>
export function tensor<D extends DType>(array: NDArray<D>): Tensor<D>
export function tensor(
  data: Nested | HostArray | NDArray<DType>,
  options?: { readonly shape: Shape; readonly dtype: DType },
): AnyTensor {
  if (isTensor(data))
    throw new DTypeError('tensor', 'this is a tensor already; hold() turns its value into a leaf')
  if (ArrayBuffer.isView(data)) {
    const dtype = options?.dtype ?? dtypeOf(data)
    const shape = options?.shape ?? [data.length]
    checkData('tensor', data, shape, dtype)
    return leafOf(data, shape, dtype)
  }
  if (typeof data === 'object' && data !== null && 'dtype' in data) {
    checkData('tensor', data.data, data.shape, data.dtype)
    return leafOf(data.data, data.shape, data.dtype)
  }
  const { shape, values } = flatten('tensor', data)
  return leafOf(Float32Array.from(values), shape, 'float32')
}

/** Labels, counts, indices: a tensor of 32-bit integers. */
export function intTensor(data: Nested): Tensor<'int32'> {
  const { shape, values } = flatten('intTensor', data)
  const wrong = values.find((v) => (v | 0) !== v)
  if (wrong !== undefined) throw new DTypeError('intTensor', `${wrong} is not a 32-bit integer`)
  return leafOf(Int32Array.from(values), shape, 'int32')
}

function leafOf<D extends DType>(data: HostArray, shape: Shape, dtype: D): Tensor<D> {
  const value: HostValue = { data }
  return buildLeaf(dataOp, { value }, shape, dtype)
}

function checkData(op: string, data: HostArray, shape: Shape, dtype: DType): void {
  checkShape(op, shape)
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      op,
      `${data.length} elements don't fill shape ${formatShape(shape)}, which has ${sizeOf(shape)}`,
    )
  }
  checkDType(op, dtype)
  const expected = allocate(dtype, 0)
  const fits = dtype === 'float32' ? data instanceof Float32Array || data instanceof Float64Array : false
  if (!fits && data.constructor !== expected.constructor) {
    throw new DTypeError(
      op,
      `a ${data.constructor.name} does not hold ${dtype}; use a ${expected.constructor.name}`,
    )
  }
}

/** More axes than any tensor has: arrays that contain themselves have no end. */
const deepest = 64

function flatten(op: string, nested: Nested): { shape: number[]; values: number[] } {
  const shape: number[] = []
  // Strings are nested without end: only arrays count.
  for (let level: unknown = nested; Array.isArray(level); level = level[0]) {
    shape.push(level.length)
    if (shape.length > deepest) throw new ShapeError(op, `the arrays are nested more than ${deepest} deep`)
    if (level.length === 0) break
  }
  const values: number[] = []
  const visit = (at: Nested, depth: number): void => {
    if (typeof at === 'number') {
      if (depth !== shape.length) throw ragged(op)
      values.push(at)
      return
    }
    if (!Array.isArray(at)) throw new DTypeError(op, `takes numbers, not ${typeof at}`)
    if (at.length !== shape[depth]) throw ragged(op)
    for (const inner of at as readonly Nested[]) visit(inner, depth + 1)
  }
  visit(nested, 0)
  return { shape, values }
}

function ragged(op: string): ShapeError {
  return new ShapeError(
    op,
    'the nested arrays have different lengths; every row must be as long as the first',
  )
}

/** A small tensor that becomes part of the graph: folded, shared and baked in by its content. Copied. */
export function constant(data: Nested): Tensor
export function constant<D extends DType>(data: Nested, dtype: D): Tensor<D>
export function constant<D extends DType>(
  data: DataOf<D>,
  options: { readonly shape: Shape; readonly dtype: D },
): Tensor<D>
export function constant(
  data: Nested | HostArray,
  how: DType | { readonly shape: Shape; readonly dtype: DType } = 'float32',
): AnyTensor {
  if (ArrayBuffer.isView(data)) {
    const { shape, dtype } = typeof how === 'object' ? how : { shape: [data.length], dtype: how }
    checkData('constant', data, shape, dtype)
    return constantOf(data.slice(), shape, dtype)
  }
  const dtype: unknown = typeof how === 'object' ? (how as typeof how | null)?.dtype : how
  checkDType('constant', dtype)
  const { shape, values } = flatten('constant', data)
  const wrong = values.find((value) => !holds(dtype, value))
  if (wrong !== undefined) throw new DTypeError('constant', `${wrong} does not fit into ${dtype}`)
  const array = allocate(dtype, values.length, 'float64')
  for (let i = 0; i < values.length; i++) array[i] = dtype === 'int64' ? BigInt(values[i]!) : values[i]!
  return constantOf(array, shape, dtype)
}

/** Numbers beyond which integers of a dtype don't go. */
const ends: Partial<Record<DType, number>> = { int32: 2 ** 31, int64: 2 ** 63 }

/** Whether an element can be that number; rounding of floats aside. */
function holds(dtype: DType, value: number): boolean {
  if (dtype === 'bool') return value === 0 || value === 1
  const end = ends[dtype]
  return end === undefined || (Number.isInteger(value) && value >= -end && value < end)
}

/** A constant from data that nobody else holds. */
export function constantOf<D extends DType>(data: HostArray, shape: Shape, dtype: D): Tensor<D> {
  return buildLeaf(constantOp, { data }, shape, dtype)
}

/** The numbers of a constant; undefined for every other node. */
export function constantData(node: AnyTensor): HostArray | undefined {
  return node.op.name === 'constant' ? (node.attributes.data as HostArray) : undefined
}

/** Stands for an argument of a traced function; `label` appears in messages. */
export function placeholder<D extends DType = 'float32'>(
  shape: Shape,
  dtype: D = 'float32' as D,
  label = 'argument',
): Tensor<D> {
  return buildLeaf(placeholderOp, { identity: {}, label }, shape, dtype)
}

/**
 * Random numbers that the host fills in at every run: pure functions of seed, stream, step, sample, draw and
 * position. The same leaf used twice gives the same numbers.
 *
 * @param shape [draws, samples, ...positions]
 */
export function random(shape: readonly [number, number, ...number[]], options: RandomSource): Tensor {
  checkShape('random', shape)
  const { distribution, stream } = (options as Partial<RandomSource> | undefined) ?? {}
  if ((distribution !== 'uniform' && distribution !== 'normal') || typeof stream !== 'string') {
    throw new BeyondgradError(
      'value',
      `random: takes a distribution, 'uniform' or 'normal', and the name of a stream, not ${String(distribution)} and ${String(stream)}`,
    )
  }
  if (!Number.isInteger(options.seed) || Math.abs(options.seed) >= 2 ** 32) {
    throw new BeyondgradError(
      'value',
      `random: the seed must be an integer of at most 32 bits, not ${options.seed}`,
    )
  }
  return buildLeaf(randomOp, { ...options }, shape, 'float32')
}

/** What a `random` leaf draws from; undefined for every other node. */
export function randomSource(node: AnyTensor): RandomSource | undefined {
  if (node.op.name !== 'random') return undefined
  const { distribution, seed, stream, shared } = node.attributes
  return {
    distribution: distribution as Distribution,
    seed: seed as number,
    stream: stream as string,
    shared: shared === true,
  }
}

/** A new cell that holds `initial`, which is taken over. */
export function cell(
  name: string,
  initial: NDArray<DType>,
  options: { readonly trainable?: boolean } = {},
): Cell {
  checkData(`cell "${name}"`, initial.data, initial.shape, initial.dtype)
  const { shape, dtype, data } = initial
  return { name, shape, dtype, trainable: options.trainable ?? true, data, version: 0 }
}

const current = /* @__PURE__ */ new WeakMap<Cell, AnyTensor>()

/**
 * The cell as an expression: its value as of now, the same node until the next update. Evaluating it after an update
 * is an error.
 */
export function cellTensor(of: Cell): AnyTensor {
  const known = current.get(of)
  if (known?.attributes.version === of.version) return known
  const leaf = buildLeaf(cellOp, { cell: of, version: of.version }, of.shape, of.dtype)
  current.set(of, leaf)
  return leaf
}

/** The cell behind a leaf, and the version that the expression means; undefined for every other node. */
export function cellOf(node: AnyTensor): { readonly cell: Cell; readonly version: number } | undefined {
  if (node.op.name !== 'cell') return undefined
  return { cell: node.attributes.cell as Cell, version: node.attributes.version as number }
}

/** The data of a `tensor(…)` leaf; undefined for every other node. */
export function hostData(node: AnyTensor): HostArray | undefined {
  return node.op.name === 'data' ? (node.attributes.value as HostValue).data : undefined
}

/** A tensor from what a function accepts as one: a tensor, an NDArray or nested numbers. */
export function toTensor(value: AnyTensor | NDArray<DType> | Nested): AnyTensor {
  if (isTensor(value)) return value
  if (typeof value === 'object' && value !== null && 'dtype' in value) return tensor(value)
  if (typeof value === 'number' || Array.isArray(value)) return tensor(value)
  throw new BeyondgradError('value', `expected a tensor, got ${typeof value}`)
}
