/**
 * @file Eigenvalues of a symmetric tridiagonal matrix by the QL algorithm with implicit shifts (Golub and Van Loan, "Matrix
 * Computations", Section 8.3; Wilkinson's shift), and, by the same rotations, all its eigenvectors.
 */
import { BeyondgradError } from '@beyondgrad/tensor'

/** Sweeps for one eigenvalue before giving up; three are usual. */
const mostSweeps = 80

/** What is told of every sweep's rotations. */
interface Rotations {
  /** Columns `from` and the next one are turned by (cosines[i], sines[i]) for i = `from` + count − 1 down to `from`. */
  apply(from: number, count: number, cosines: Float64Array, sines: Float64Array): void
}

/** Eigenvalues, ascending. Throws `no-solution` where the iteration does not end, as for a matrix with NaN. */
export function tridiagonalEigenvalues(diagonal: Float64Array, beside: Float64Array): Float64Array {
  return iterate(diagonal, beside).sort()
}

/**
 * Eigenvalues, ascending, and unit eigenvectors: vector k is row k of `vectors`.
 *
 * Throws `no-solution` where the iteration does not end, as for a matrix with NaN.
 */
export function tridiagonalEigenpairs(
  diagonal: Float64Array,
  beside: Float64Array,
): { readonly values: Float64Array; readonly vectors: readonly Float64Array[] } {
  const n = diagonal.length
  // Row k is column k of the product of all rotations: two rows are turned at a time.
  const rows = Array.from({ length: n }, (_, k) => {
    const row = new Float64Array(n)
    row[k] = 1
    return row
  })
  const values = iterate(diagonal, beside, {
    apply: (from, count, cosines, sines) => {
      for (let i = from + count - 1; i >= from; i--) turn(rows[i]!, rows[i + 1]!, cosines[i]!, sines[i]!)
    },
  })
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!)
  return {
    values: Float64Array.from(order, (k) => values[k]!),
    vectors: order.map((k) => rows[k]!),
  }
}

function turn(low: Float64Array, high: Float64Array, cosine: number, sine: number): void {
  for (let k = 0; k < low.length; k++) {
    const [a, b] = [low[k]!, high[k]!]
    high[k] = sine * a + cosine * b
    low[k] = cosine * a - sine * b
  }
}

function iterate(diagonal: Float64Array, beside: Float64Array, rotations?: Rotations): Float64Array {
  const n = diagonal.length
  const d = Float64Array.from(diagonal)
  const e = new Float64Array(n)
  e.set(beside)
  // Nobody can tell less than this from zero: a Gram matrix of few columns is full of it.
  const nothing =
    (Number.EPSILON / 4) * d.reduce((most, x, i) => Math.max(most, Math.abs(x), Math.abs(e[i]!)), 0)
  const [cosines, sines] = [new Float64Array(n), new Float64Array(n)]
  for (let low = 0; low < n; low++) {
    for (let sweep = 0; ; sweep++) {
      const high = endOfBlock(d, e, low, nothing)
      if (high === low) break
      if (sweep === mostSweeps) {
        throw new BeyondgradError(
          'no-solution',
          `eigh: eigenvalue ${low + 1} of ${n} has not been found in ${mostSweeps} sweeps; check the matrix for NaN and infinity`,
        )
      }
      const last = sweepBlock(d, e, low, high, cosines, sines)
      rotations?.apply(last, high - last, cosines, sines)
    }
  }
  return d
}

/** The last row of the block that starts at `low`: what couples it to the next is lost beside its diagonal. */
function endOfBlock(d: Float64Array, e: Float64Array, low: number, nothing: number): number {
  let high = low
  while (high < d.length - 1) {
    const size = Math.abs(d[high]!) + Math.abs(d[high + 1]!)
    if (Math.abs(e[high]!) <= Math.max(Number.EPSILON * size, nothing)) break
    high++
  }
  return high
}

/** One implicit step of QL on rows `low` to `high`; returns how far down it came before the block fell apart. */
function sweepBlock(
  d: Float64Array,
  e: Float64Array,
  low: number,
  high: number,
  cosines: Float64Array,
  sines: Float64Array,
): number {
  const half = (d[low + 1]! - d[low]!) / (2 * e[low]!)
  const root = Math.hypot(half, 1)
  // Wilkinson's shift, from the first two rows.
  let bulge = d[high]! - d[low]! + e[low]! / (half + (half < 0 ? -root : root))
  let [cosine, sine, moved] = [1, 1, 0]
  for (let i = high - 1; i >= low; i--) {
    const across = sine * e[i]!
    const along = cosine * e[i]!
    const length = Math.hypot(across, bulge)
    e[i + 1] = length
    if (length === 0) {
      d[i + 1]! -= moved
      e[high] = 0
      return i + 1
    }
    sine = across / length
    cosine = bulge / length
    const above = d[i + 1]! - moved
    const mixed = (d[i]! - above) * sine + 2 * cosine * along
    moved = sine * mixed
    d[i + 1] = above + moved
    bulge = cosine * mixed - along
    cosines[i] = cosine
    sines[i] = sine
  }
  d[low]! -= moved
  e[low] = bulge
  e[high] = 0
  return low
}
