/**
 * @file Inner products of the columns of a curvature's square root, ⟨V[v, n], V[v', n']⟩ over one parameter: the Gram matrix whose
 * spectrum is that of the generalised Gauss-Newton matrix (Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, Section 3). Where a
 * sample's part is one product s aᵀ, the inner products are (s · s')(a · a') and no column is ever written out; otherwise the
 * columns are made for a few outputs at a time, and only blocks on and above the diagonal are multiplied.
 */
import {
  concat,
  matmul,
  mul,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  transpose,
  transposeLast,
} from '@beyondgrad/tensor'
import { type OuterFactors, perSampleOf, sumOf, type Use } from './use.ts'

/** Uses of one parameter by columns that travelled together, with the root of their weight if it is not that of all. */
export interface GramChunk {
  readonly uses: readonly Use[]
  /** √w, a scalar; undefined: 1. */
  readonly root?: Tensor | undefined
}

/** Bytes of columns that are written out at a time. */
const sliceBytes = 2 ** 24
/** Rows of a block: fewer would multiply slowly, more would multiply what is known by symmetry. */
const blockRows = 256

/** The inner products of all columns, those of a chunk behind those of the one before: [V·N, V·N], samples fastest. */
export function columnGram(chunks: readonly GramChunk[], samples: number): Tensor {
  const [first] = chunks as readonly [GramChunk]
  // Uses have entries of the parameter to themselves, so that their inner products add up.
  return sumOf(
    first.uses.map((_, i) =>
      useGram(
        chunks.map(({ uses, root }) => ({ use: uses[i]!, root })),
        samples,
      ),
    ),
  )
}

interface OneUse {
  readonly use: Use
  readonly root: Tensor | undefined
}

const scaled = (x: Tensor, root: Tensor | undefined): Tensor => (root === undefined ? x : mul(x, root))

function useGram(chunks: readonly OneUse[], samples: number): Tensor {
  const factors = chunks.map(({ use }) => use.factors)
  if (!factors.every((each) => each.kind === 'outer')) {
    return ofRows(chunks.map(({ use, root }) => rowsOf(scaled(perSampleOf(use.factors), root))))
  }
  const { input } = factors[0]!
  const [, groups, inner, positions] = input.shape as [number, number, number, number]
  const out = factors[0]!.cotangent.shape[3]!
  const cotangents = chunks.map(({ use, root }) => scaled((use.factors as OuterFactors).cotangent, root))
  const columns = cotangents.reduce((total, { shape }) => total + shape[0]!, 0)
  const pairs = (columns * samples) ** 2
  if (positions === 1 && pairs * (groups + out * groups) <= pairs * out * inner * groups) {
    return ofSingles(joined(cotangents), input)
  }
  // Whatever is smaller is kept for all columns: the columns themselves, or the cotangents that they are made of.
  if (inner <= positions) {
    return ofRows(cotangents.map((cotangent) => rowsOf(matmul(cotangent, transposeLast(input)))))
  }
  return ofSlices(joined(cotangents), input)
}

const joined = (parts: readonly Tensor[]): Tensor => (parts.length === 1 ? parts[0]! : concat(parts, 0))

/** [V, N, ...] → [V·N, everything else]. */
function rowsOf(perSample: Tensor): Tensor {
  const [columns, samples, ...own] = perSample.shape as [number, number, ...number[]]
  return reshape(perSample, [columns * samples, sizeOf(own)])
}

/** Rows of all chunks: [R, D] each. */
function ofRows(parts: readonly Tensor[]): Tensor {
  return assembled([joined(parts)])
}

/** M Mᵀ summed over matrices of the same rows: products of blocks on and above the diagonal, the others turned. */
function assembled(matrices: readonly Tensor[]): Tensor {
  const rows = matrices[0]!.shape[0]!
  const count = Math.max(1, Math.min(8, Math.floor(rows / blockRows)))
  const starts = Array.from({ length: count + 1 }, (_, i) => Math.floor((i * rows) / count))
  const block = (i: number, j: number): Tensor =>
    sumOf(
      matrices.map((matrix) =>
        matmul(
          slice(matrix, 0, starts[i]!, starts[i + 1]),
          transposeLast(slice(matrix, 0, starts[j]!, starts[j + 1])),
        ),
      ),
    )
  if (count === 1) return sumOf(matrices.map((matrix) => matmul(matrix, transposeLast(matrix))))
  const upper = Array.from({ length: count }, (_, i) =>
    Array.from({ length: count - i }, (__, j) => block(i, i + j)),
  )
  const at = (i: number, j: number): Tensor => (i <= j ? upper[i]![j - i]! : transposeLast(upper[j]![i - j]!))
  const strips = Array.from({ length: count }, (_, i) =>
    concat(
      Array.from({ length: count }, (__, j) => at(i, j)),
      1,
    ),
  )
  return concat(strips, 0)
}

/** One position: (s · s')(a · a') for every pair. */
function ofSingles(cotangent: Tensor, input: Tensor): Tensor {
  const [columns, samples, groups, out] = cotangent.shape as [number, number, number, number]
  const rows = columns * samples
  const left = transpose(reshape(cotangent, [rows, groups, out]), [1, 0, 2])
  const right = transpose(reshape(input, [samples, groups, -1]), [1, 0, 2])
  const products = Array.from({ length: groups }, (_, g) => {
    const [s, a] = [left, right].map((x) => reshape(slice(x, 0, g, g + 1), [-1, x.shape[2]!])) as [
      Tensor,
      Tensor,
    ]
    const inputs = reshape(matmul(a, transposeLast(a)), [1, samples, 1, samples])
    const pairs = reshape(assembled([s]), [columns, samples, columns, samples])
    return reshape(mul(pairs, inputs), [rows, rows])
  })
  return sumOf(products)
}

/** Columns of a few outputs at a time. Rows have the samples slowest until the end, so that a sample's columns share its input. */
function ofSlices(cotangent: Tensor, input: Tensor): Tensor {
  const [columns, samples, groups, out, positions] = cotangent.shape as [
    number,
    number,
    number,
    number,
    number,
  ]
  const inner = input.shape[2]!
  const rows = columns * samples
  const each = Math.max(1, Math.min(out, Math.floor(sliceBytes / (4 * rows * groups * inner))))
  const bySample = transpose(cotangent, [1, 2, 0, 3, 4])
  const turned = transposeLast(input)
  const slices: Tensor[] = []
  for (let from = 0; from < out; from += each) {
    const to = Math.min(out, from + each)
    const some = reshape(slice(bySample, 3, from, to), [samples, groups, columns * (to - from), positions])
    const products = reshape(matmul(some, turned), [samples, groups, columns, (to - from) * inner])
    slices.push(reshape(transpose(products, [0, 2, 1, 3]), [rows, -1]))
  }
  const whole = reshape(assembled(slices), [samples, columns, samples, columns])
  return reshape(transpose(whole, [1, 0, 3, 2]), [rows, rows])
}
