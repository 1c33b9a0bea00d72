/**
 * @file Samples' own derivatives with respect to a weight as products of two factors, P[n] = Σₗ cotangent[n, :, l] input[n, :, l]ᵀ: made
 * a few samples at a time, and the same nodes for everything that is made of them.
 *
 * Shapes: cotangent [V?, N, G, O, L], input [N, G, I, L]; V columns, N samples, G groups, L shared positions.
 */
import {
  type AnyTensor,
  build,
  inTurn,
  matmul,
  type Op,
  reshape,
  slice,
  type Tensor,
  transpose,
  transposeLast,
} from '@beyondgrad/tensor'

export interface Sizes {
  readonly columns: boolean
  readonly samples: number
  readonly groups: number
  readonly out: number
  readonly inner: number
  readonly positions: number
}

export function sizesOf(cotangent: AnyTensor, input: AnyTensor): Sizes {
  const [samples, groups, inner, positions] = input.shape as [number, number, number, number]
  return {
    columns: cotangent.shape.length === 5,
    samples,
    groups,
    out: cotangent.shape.at(-2)!,
    inner,
    positions,
  }
}

export const inputsOf = (inputs: readonly AnyTensor[]): readonly Tensor[] => inputs as readonly Tensor[]

/** [V?, N, G, O, I]: every sample's own product. */
export function product(cotangent: Tensor, input: Tensor): Tensor {
  return matmul(cotangent, transposeLast(input))
}

/**
 * The products of all columns with the samples in front, [N, G, V·O, I]: the columns of one sample share its input, so
 * that one longer product a sample does.
 */
function sampleMajor(cotangent: Tensor): Tensor {
  if (cotangent.shape.length === 4) return cotangent
  const [columns, samples, groups, out, positions] = cotangent.shape as [
    number,
    number,
    number,
    number,
    number,
  ]
  const moved = transpose(cotangent, [1, 2, 0, 3, 4])
  return reshape(moved, [samples, groups, columns * out, positions])
}

/** Memory that one chunk of samples, unfolded, or its products may take: more would only be moved to and fro. */
const chunkBytes = 2 ** 22

/** Spans of samples of which each takes so many bytes at most. */
export function spans(samples: number, bytesOfOne: number): (readonly [from: number, to: number])[] {
  const chunks = Math.ceil(samples / Math.max(1, Math.floor(chunkBytes / Math.max(1, bytesOfOne))))
  const size = Math.max(1, Math.ceil(samples / Math.max(1, chunks)))
  return Array.from({ length: Math.ceil(samples / size) }, (_, i) => [
    i * size,
    Math.min(samples, (i + 1) * size),
  ])
}

/** f(P of some samples) for one span after the other: the products of all samples never stand there together. */
export function byChunks(
  cotangent: Tensor,
  input: Tensor,
  each: (products: Tensor, from: number, to: number) => Tensor,
): Tensor[] {
  return chunksOf(cotangent, input).map(({ products, from, to }) => each(products, from, to))
}

interface Chunk {
  readonly from: number
  readonly to: number
  readonly products: Tensor
}

const knownChunks = /* @__PURE__ */ new WeakMap<Tensor, Map<Tensor, readonly Chunk[]>>()
let rounds = 0

/** The products of one span after the other; the same nodes for everything that is made of them, and each span a turn. */
function chunksOf(cotangent: Tensor, input: Tensor): readonly Chunk[] {
  let known = knownChunks.get(cotangent)
  if (known === undefined) knownChunks.set(cotangent, (known = new Map<Tensor, readonly Chunk[]>()))
  const found = known.get(input)
  if (found !== undefined) return found
  const { samples, groups, inner, positions } = sizesOf(cotangent, input)
  const left = sampleMajor(cotangent)
  const bytes = 4 * groups * inner * Math.max(left.shape[2]!, positions)
  const of = `products ${rounds++}`
  const all = spans(samples, bytes)
  const chunks = all.map(([from, to]): Chunk => {
    const begin = (x: Tensor): Tensor => (all.length > 1 ? inTurn(x, of) : x)
    const [rows, columns] = [someSamples(left, from, to), someSamples(input, from, to, begin)]
    return { from, to, products: product(rows, columns) }
  })
  known.set(input, chunks)
  return chunks
}

export const sumOf = (parts: readonly Tensor[]): Tensor => parts.reduce((a, b) => a.add(b))

/** Some of the samples on axis 0, taken before they are unfolded into windows: a window repeats what is in it. */
export function someSamples(
  x: Tensor,
  from: number,
  to: number,
  begin: (rows: Tensor) => Tensor = (rows) => rows,
): Tensor {
  const { op, inputs, shape, attributes } = x
  const [before] = inputs as readonly Tensor[]
  if (op.name === 'reshape' && before!.shape[0] === shape[0]) {
    return reshape(someSamples(before!, from, to, begin), [to - from, ...shape.slice(1)])
  }
  if (op.name === 'unfold') return build<'float32'>(op, [someSamples(before!, from, to, begin)], attributes)
  return begin(slice(x, 0, from, to))
}

/** Without the axis of positions, of which there is one. */
export function squeezed(x: Tensor): Tensor {
  return reshape(x, x.shape.slice(0, -1))
}

/** Without the axis of groups, too, if there is one group: [N, G?, X]. */
export function rowsOf(x: Tensor): Tensor {
  return x.shape[1] === 1 ? reshape(x, [x.shape[0]!, x.shape[2]!]) : squeezed(x)
}

/** [..., G, X] → [G, X, samples]: one product a group over the samples. */
export function samplesLast(x: Tensor): Tensor {
  return transpose(x, [1, 2, 0])
}

/** [N, G, X] → [G, N, X]. */
export function groupsFirst(x: Tensor): Tensor {
  return transpose(x, [1, 0, 2])
}

export const single = (node: AnyTensor): boolean => node.inputs[1]!.shape[3] === 1

/** Of the alternatives [direct, factored]: with one position everything factors. */
export const chooseFactored: Op['choose'] = (node) => node.op.alternatives![single(node) ? 1 : 0]!

/** What is made of one column after the other. */
export function eachColumn(cotangent: Tensor, each: (column: Tensor, v: number) => Tensor): Tensor[] {
  const [columns, ...rest] = cotangent.shape as [number, ...number[]]
  return Array.from({ length: columns }, (_, v) => each(reshape(slice(cotangent, 0, v, v + 1), rest), v))
}
