/**
 * @file The largest eigenpairs of a symmetric positive semidefinite matrix that is known by its products: block Lanczos with full
 * reorthogonalisation and thick restarts (Golub and Underwood, 1977; Wu and Simon, 2000). With as many vectors in a block as pairs are
 * wanted, eigenvalues that are equal are all found.
 */
import { BeyondgradError, fillRandom } from '@beyondgrad/tensor'
import { eigh } from './eigh.ts'

export interface LargestPairs {
  /** Ascending. */
  readonly values: Float64Array
  /** Unit vectors, one for each. */
  readonly vectors: readonly Float64Array[]
  /** ‖A x − λ x‖ of each, by the recurrence. */
  readonly residuals: Float64Array
  /** Products of one vector each. */
  readonly products: number
}

export interface LanczosOptions {
  /** Residuals are below this part of the largest eigenvalue. */
  readonly tolerance: number
  readonly seed: number
  /** Told before every product of a block. */
  readonly onStep?: (products: number) => void
}

type Products = (vectors: readonly Float64Array[]) => Promise<readonly Float64Array[]>

/** Blocks until the iteration gives up; ten or so are usual. */
const mostBlocks = 400
/** Vectors, and blocks, that are kept before the worse half is given up; whichever is more. */
const [mostVectors, blocksKept] = [160, 8]
/** What is left of a vector after the others is rounding if it is smaller than this part of it. */
const negligible = 1e-12

/**
 * The `count` largest eigenpairs, or all if there are fewer. Throws `no-solution` where they do not settle.
 *
 * @param size number of rows
 */
export async function largestPairs(
  products: Products,
  size: number,
  count: number,
  { tolerance, seed, onStep }: LanczosOptions,
): Promise<LargestPairs> {
  const wanted = Math.min(count, size)
  if (wanted === 0) return none
  const limit = Math.min(size, Math.max(mostVectors, blocksKept * wanted))
  const basis: Float64Array[] = []
  /** Row by row: entry [i][j], j ≤ i, of the matrix seen in the basis. */
  let seen: number[][] = []
  let block = orthonormal(starts(size, wanted, seed), basis, 0).vectors
  let made = 0
  for (let round = 0; round < mostBlocks; round++) {
    onStep?.(made)
    const from = basis.length
    basis.push(...block)
    const images = (await products(block)).map((image) => Float64Array.from(image))
    made += images.length
    images.forEach((image, b) => {
      const row = projectOut(basis.slice(0, from + b + 1), image)
      // The second half of a symmetric matrix is known; what the rest of the block has is still in the image.
      seen[from + b] = row
    })
    images.forEach((image) => projectOut(basis, image))
    const scale = Math.max(...seen.map((row, i) => Math.abs(row[i]!)), 0)
    const { vectors: next, coefficients } = orthonormal(images, basis, scale)
    const pairs = ritzPairs(seen)
    const last = basis.length - block.length
    const residual = (k: number): number =>
      Math.hypot(
        ...next.map((_, i) =>
          coefficients.reduce((sum, own, b) => sum + (own[i] ?? 0) * pairs.vectors[k]![last + b]!, 0),
        ),
      )
    const places = Array.from({ length: Math.min(wanted, basis.length) }, (_, i) => basis.length - 1 - i)
    const largest = Math.max(0, pairs.values.at(-1)!)
    const isDone = next.length === 0 || places.every((k) => residual(k) <= tolerance * largest)
    if (isDone) return finish(basis, pairs, places.toReversed(), residual, made)
    if (basis.length + next.length > limit) {
      // The best so far go on: in their own coordinates the matrix is diagonal.
      const half = Math.max(wanted, Math.floor(limit / 2))
      const kept = [...pairs.values.keys()].slice(-half)
      const vectors = kept.map((k) => combination(basis, pairs.vectors[k]!))
      seen = kept.map((k, i) => [...Array<number>(i).fill(0), pairs.values[k]!])
      basis.splice(0, basis.length, ...vectors)
      // Rounding of the combinations would otherwise stay.
      block = orthonormal(next, basis, 0).vectors
    } else block = next
    if (block.length === 0) return finish(basis, pairs, places.toReversed(), residual, made)
  }
  throw new BeyondgradError(
    'no-solution',
    `Lanczos: the ${wanted} largest eigenvalues have not settled after ${made} products; ask for fewer of them, or use the route "gram"`,
  )
}

const none: LargestPairs = {
  values: new Float64Array(0),
  vectors: [],
  residuals: new Float64Array(0),
  products: 0,
}

interface Ritz {
  readonly values: Float64Array
  readonly vectors: readonly Float64Array[]
}

function finish(
  basis: readonly Float64Array[],
  pairs: Ritz,
  places: readonly number[],
  residual: (k: number) => number,
  products: number,
): LargestPairs {
  return {
    values: Float64Array.from(places, (k) => pairs.values[k]!),
    vectors: places.map((k) => combination(basis, pairs.vectors[k]!)),
    residuals: Float64Array.from(places, residual),
    products,
  }
}

function ritzPairs(rows: readonly (readonly number[])[]): Ritz {
  const n = rows.length
  const matrix = new Float64Array(n * n)
  rows.forEach((row, i) => row.forEach((x, j) => (matrix[i * n + j] = x)))
  const { values, vectors } = eigh(matrix, n, (all) => [...all.keys()])
  return { values, vectors }
}

/** Numbers that are orthogonal to nothing in particular. */
function starts(size: number, count: number, seed: number): Float64Array[] {
  return Array.from({ length: count }, (_, k) => {
    const x = new Float64Array(size)
    fillRandom({ distribution: 'normal', seed, stream: `lanczos ${k}` }, 0, 1, 1, size, x)
    return x
  })
}

/** Orthonormal vectors, orthogonal to a basis, for those of a list, and these in their coordinates. */
function orthonormal(
  list: readonly Float64Array[],
  basis: readonly Float64Array[],
  scale: number,
): { readonly vectors: Float64Array[]; readonly coefficients: readonly (readonly number[])[] } {
  const vectors: Float64Array[] = []
  const coefficients = list.map((x) => {
    const before = Math.max(scale, norm(x))
    projectOut(basis, x)
    const own = projectOut(vectors, x)
    // Twice is enough (Giraud and Langou, 2003).
    projectOut(basis, x)
    projectOut(vectors, x).forEach((more, i) => (own[i]! += more))
    const length = norm(x)
    if (length > negligible * before) {
      own.push(length)
      vectors.push(x.map((value) => value / length))
    }
    return own
  })
  return { vectors, coefficients }
}

/** x ← x − Q Qᵀ x; returns Qᵀ x. */
function projectOut(basis: readonly Float64Array[], x: Float64Array): number[] {
  return basis.map((unit) => {
    let along = 0
    for (let i = 0; i < x.length; i++) along += unit[i]! * x[i]!
    for (let i = 0; i < x.length; i++) x[i]! -= along * unit[i]!
    return along
  })
}

function combination(basis: readonly Float64Array[], weights: Float64Array): Float64Array {
  const result = new Float64Array(basis[0]!.length)
  basis.forEach((unit, j) => {
    const weight = weights[j]!
    for (let i = 0; i < result.length; i++) result[i]! += weight * unit[i]!
  })
  return result
}

function norm(x: Float64Array): number {
  let largest = 0
  for (const value of x) largest = Math.max(largest, Math.abs(value))
  if (largest === 0) return 0
  let squares = 0
  for (const value of x) squares += (value / largest) ** 2
  return largest * Math.sqrt(squares)
}
