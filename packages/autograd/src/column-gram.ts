/**
 * @file Inner products of the columns of a curvature's square root, ⟨V[v, n], V[v', n']⟩ over one parameter: the Gram matrix whose
 * spectrum is that of the generalised Gauss-Newton matrix (Dangel, Tatzel and Hennig, "ViViT", TMLR 2022, Section 3). Where a
 * sample's part is one product s aᵀ, the inner products are (s · s')(a · a') and no column is ever written out; with few shared
 * positions the same is done for pairs of samples; otherwise the columns are made for a few outputs at a time. Only blocks on and
 * above the diagonal are multiplied.
 */
import {
  add,
  concat,
  matmul,
  mul,
  reshape,
  sizeOf,
  slice,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  zeros,
} from '@beyondgrad/tensor'
import { type OuterFactors, perSampleOf, sumOf, type Use } from './use.ts'

/** Uses of one parameter by columns that travelled together, with the root of their weight if it is not that of all. */
export interface GramChunk {
  readonly uses: readonly Use[]
  /** √w, a scalar; undefined: 1. */
  readonly root?: Tensor | undefined
}

/** Bytes of columns, or of what pairs of samples have in common, that are written out at a time. */
const sliceBytes = 2 ** 24
/** Rows of a block: fewer would multiply slowly, more would multiply what is known by symmetry. */
const blockRows = 128

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
  if (pairsAreCheaper({ columns, out, inner, positions })) {
    return ofPairs(joined(cotangents), input)
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

/** Multiplications for a pair of samples: by what their inputs have in common, and by columns written out. */
function pairsAreCheaper({
  columns,
  out,
  inner,
  positions,
}: Readonly<Record<'columns' | 'out' | 'inner' | 'positions', number>>): boolean {
  const byPairs = positions * (positions * (inner + columns * out) + columns ** 2 * out)
  return byPairs < columns ** 2 * out * inner
}

/**
 * ⟨S Aᵀ, S' A'ᵀ⟩ = ⟨S (Aᵀ A'), S'⟩: the inputs of two samples are multiplied once for all their columns, positions by positions. For
 * blocks of samples, on one side of the diagonal; half of what is on it, and the other side is the transpose.
 */
function ofPairs(cotangent: Tensor, input: Tensor): Tensor {
  const [columns, samples, groups, out, positions] = cotangent.shape as [
    number,
    number,
    number,
    number,
    number,
  ]
  const each = blockOfPairs(4 * columns * out * positions * groups, samples)
  const bySample = transpose(cotangent, [1, 2, 0, 3, 4])
  const byGroup = transpose(input, [1, 0, 3, 2])
  const inputsOf = (from: number, to: number): Tensor =>
    reshape(slice(byGroup, 1, from, to), [groups, (to - from) * positions, -1])
  const strips: Tensor[] = []
  for (let from = 0; from < samples; from += each) {
    const to = Math.min(samples, from + each)
    const rows = to - from
    const own = reshape(transpose(slice(bySample, 0, from, to), [1, 0, 2, 3, 4]), [
      1,
      groups,
      rows,
      columns * out,
      positions,
    ])
    const strip: Tensor[] = from === 0 ? [] : [zeros([from, rows * columns, columns])]
    for (let other = from; other < samples; other += each) {
      const end = Math.min(samples, other + each)
      const others = end - other
      const common = matmul(inputsOf(from, to), transposeLast(inputsOf(other, end)))
      const paired = transpose(reshape(common, [groups, rows, positions, others, positions]), [3, 0, 1, 2, 4])
      const led = reshape(matmul(own, paired), [others, groups, rows * columns, out * positions])
      const theirs = reshape(slice(bySample, 0, other, end), [others, groups, columns, out * positions])
      const products = sum(matmul(led, transposeLast(theirs)), [1])
      strip.push(other === from ? mul(products, 0.5) : products)
    }
    strips.push(reshape(joined(strip), [samples, rows, columns, columns]))
  }
  const rows = columns * samples
  const half = strips.length === 1 ? strips[0]! : concat(strips, 1)
  const square = reshape(transpose(half, [2, 1, 3, 0]), [rows, rows])
  return add(square, transposeLast(square))
}

/** How many samples meet how many at a time, where a pair takes so many bytes. */
const blockOfPairs = (bytes: number, samples: number): number =>
  Math.max(1, Math.min(samples, Math.floor(Math.sqrt(sliceBytes / bytes))))

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
