/**
 * @file Single eigenvectors of a symmetric tridiagonal matrix whose eigenvalues are known: (T − λ I) x = b is solved a few times,
 * each time with the last solution on the right (Wielandt; Golub and Van Loan, "Matrix Computations", Section 8.2). Vectors of
 * eigenvalues that are close are kept orthogonal to each other.
 */

/** Solutions for one vector; two are usual. */
const mostSolutions = 6

/**
 * Unit eigenvectors, one for each of some eigenvalues in ascending order; undefined where one of them does not come out well,
 * as where very many eigenvalues are one.
 */
export function tridiagonalEigenvectors(
  diagonal: Float64Array,
  beside: Float64Array,
  values: readonly number[],
): Float64Array[] | undefined {
  const n = diagonal.length
  const size = normOf(diagonal, beside)
  const close = 1e-3 * size
  const found: Float64Array[] = []
  let clusterFrom = 0
  let used = -Infinity
  for (const [k, value] of values.entries()) {
    if (k > 0 && value - values[k - 1]! > close) clusterFrom = k
    // Equal eigenvalues would give equal vectors before anything makes them orthogonal.
    const least = used + Number.EPSILON * size
    const shift = k > clusterFrom ? Math.max(value, least) : value
    used = shift
    const vector = one(diagonal, beside, shift, found.slice(clusterFrom), k)
    if (vector === undefined || residual(diagonal, beside, value, vector) > 1e-13 * size * Math.sqrt(n)) {
      return undefined
    }
    found.push(vector)
  }
  return found
}

/** Largest sum of a row's sizes. */
function normOf(diagonal: Float64Array, beside: Float64Array): number {
  let most = 0
  diagonal.forEach((d, i) => {
    most = Math.max(most, Math.abs(d) + Math.abs(beside[i - 1] ?? 0) + Math.abs(beside[i] ?? 0))
  })
  return most || 1
}

function one(
  diagonal: Float64Array,
  beside: Float64Array,
  shift: number,
  others: readonly Float64Array[],
  seed: number,
): Float64Array | undefined {
  const n = diagonal.length
  const factors = factorize(diagonal, beside, shift)
  const x = startingVector(n, seed)
  let settled = 0
  for (let round = 0; round < mostSolutions; round++) {
    solve(factors, x)
    const grown = normalize(x)
    // Twice: what the first time leaves over is large where little is left of the vector.
    for (let twice = 0; twice < 2; twice++) {
      for (const other of others) subtractAlong(x, other)
    }
    const left = normalize(x)
    if (!(grown > 0) || !(left > 0)) return undefined
    // One more after it has grown enough and kept its direction.
    if (grown > 1 / (100 * Number.EPSILON * n) || left > 0.5) settled++
    if (settled > 2) return x
  }
  return x
}

/** Fixed numbers that are orthogonal to nothing in particular. */
function startingVector(n: number, seed: number): Float64Array {
  const x = new Float64Array(n)
  let state = 0x9e3779b9 ^ Math.imul(seed + 1, 0x85ebca6b)
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    x[i] = state / 2 ** 31 || 0.5
  }
  normalize(x)
  return x
}

/** P (T − λ I) = L U with rows exchanged where that is larger; U has two diagonals beside its own. */
interface Factors {
  readonly main: Float64Array
  readonly first: Float64Array
  readonly second: Float64Array
  readonly lower: Float64Array
  readonly exchanged: Uint8Array
}

function factorize(diagonal: Float64Array, beside: Float64Array, shift: number): Factors {
  const n = diagonal.length
  const main = diagonal.map((d) => d - shift)
  const first = new Float64Array(n)
  first.set(beside)
  const [second, lower, exchanged] = [new Float64Array(n), new Float64Array(n), new Uint8Array(n)]
  const tiny = Number.EPSILON * normOf(diagonal, beside)
  for (let i = 0; i < n - 1; i++) {
    const below = beside[i]!
    if (Math.abs(main[i]!) >= Math.abs(below)) {
      if (main[i] === 0) main[i] = tiny
      lower[i] = below / main[i]!
      main[i + 1]! -= lower[i]! * first[i]!
      continue
    }
    exchanged[i] = 1
    lower[i] = main[i]! / below
    const [pivotNext, pivotAfter] = [main[i + 1]!, first[i + 1]!]
    main[i + 1] = first[i]! - lower[i]! * pivotNext
    first[i + 1] = -lower[i]! * pivotAfter
    main[i] = below
    first[i] = pivotNext
    second[i] = pivotAfter
  }
  for (let i = 0; i < n; i++) {
    // The matrix is nearly singular by design; what stands for zero decides how far the vector grows, not where to.
    if (Math.abs(main[i]!) < tiny) main[i] = main[i]! < 0 ? -tiny : tiny
  }
  return { main, first, second, lower, exchanged }
}

function solve({ main, first, second, lower, exchanged }: Factors, x: Float64Array): void {
  const n = x.length
  for (let i = 0; i < n - 1; i++) {
    if (exchanged[i] === 1) [x[i], x[i + 1]] = [x[i + 1]!, x[i]!]
    x[i + 1]! -= lower[i]! * x[i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    const after = i + 1 < n ? first[i]! * x[i + 1]! : 0
    const later = i + 2 < n ? second[i]! * x[i + 2]! : 0
    x[i] = (x[i]! - after - later) / main[i]!
  }
}

/** Returns the norm that it had. */
function normalize(x: Float64Array): number {
  let largest = 0
  for (const each of x) largest = Math.max(largest, Math.abs(each))
  if (!(largest > 0) || !Number.isFinite(largest)) return 0
  let squares = 0
  for (let i = 0; i < x.length; i++) {
    x[i]! /= largest
    squares += x[i]! * x[i]!
  }
  const norm = Math.sqrt(squares)
  for (let i = 0; i < x.length; i++) x[i]! /= norm
  return norm * largest
}

function subtractAlong(x: Float64Array, unit: Float64Array): void {
  let along = 0
  for (let i = 0; i < x.length; i++) along += x[i]! * unit[i]!
  for (let i = 0; i < x.length; i++) x[i]! -= along * unit[i]!
}

/** ‖T x − λ x‖, largest entry. */
function residual(diagonal: Float64Array, beside: Float64Array, value: number, x: Float64Array): number {
  let most = 0
  for (let i = 0; i < x.length; i++) {
    const before = i > 0 ? beside[i - 1]! * x[i - 1]! : 0
    const after = i + 1 < x.length ? beside[i]! * x[i + 1]! : 0
    most = Math.max(most, Math.abs(before + (diagonal[i]! - value) * x[i]! + after))
  }
  return most
}
