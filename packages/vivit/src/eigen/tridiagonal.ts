/**
 * @file A symmetric matrix becomes tridiagonal: A = Q T Qᵀ with Q a product of reflections (Householder, 1958; Golub and Van
 * Loan, "Matrix Computations", 4th edition, Section 8.3). Each step's update and the next step's product go over the matrix
 * together, since what limits it is the way to memory.
 */

/** T, and the reflections that led to it. */
export interface Tridiagonal {
  /** Diagonal of T, n numbers. */
  readonly diagonal: Float64Array
  /** What is beside it: entry i is T[i + 1, i]; n − 1 numbers. */
  readonly beside: Float64Array
  /** Takes a vector of T's coordinates to A's, in place: x ← Q x. */
  readonly toOriginal: (x: Float64Array) => void
}

/**
 * Makes a symmetric matrix tridiagonal.
 *
 * @param matrix row-major, n × n; only what is on and below the diagonal is looked at, and it is overwritten
 */
export function tridiagonalize(matrix: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n)
  const beside = new Float64Array(Math.max(0, n - 1))
  // Reflection k is I − scale v vᵀ with v[k + 1 …] in column k; from one step to the next, w goes with v.
  const scales = new Float64Array(Math.max(0, n - 2))
  const reflections: Float64Array[] = []
  let v = new Float64Array(n)
  const w = new Float64Array(n)
  let next = new Float64Array(n)
  const product = new Float64Array(n)
  let pending = false
  for (let k = 0; k < n - 2; k++) {
    if (pending) updateColumn(matrix, n, k, v, w)
    diagonal[k] = matrix[k * n + k]!
    for (let i = k + 1; i < n; i++) next[i] = matrix[i * n + k]!
    const { scale, norm } = reflection(next, k + 1, n)
    beside[k] = norm
    scales[k] = scale
    updateAndMultiply(matrix, n, k + 1, pending ? v : undefined, w, next, product)
    reflections.push(next.slice(k + 1))
    if (scale === 0) {
      pending = false
      continue
    }
    // w = scale A v − ½ scale² (vᵀ A v) v, so that A − v wᵀ − w vᵀ is the matrix reflected from both sides.
    let inner = 0
    for (let i = k + 1; i < n; i++) inner += next[i]! * product[i]!
    const half = (scale * scale * inner) / 2
    for (let i = k + 1; i < n; i++) w[i] = scale * product[i]! - half * next[i]!
    ;[v, next] = [next, v]
    pending = true
  }
  const from = Math.max(0, n - 2)
  if (pending) for (let k = from; k < n; k++) updateColumn(matrix, n, k, v, w)
  for (let k = from; k < n; k++) diagonal[k] = matrix[k * n + k]!
  if (n > 1) beside[n - 2] = matrix[(n - 1) * n + n - 2]!
  return {
    diagonal,
    beside,
    toOriginal: (x) => {
      for (let k = reflections.length - 1; k >= 0; k--) {
        const scale = scales[k]!
        if (scale === 0) continue
        const direction = reflections[k]!
        let along = 0
        for (let i = 0; i < direction.length; i++) along += direction[i]! * x[k + 1 + i]!
        along *= scale
        for (let i = 0; i < direction.length; i++) x[k + 1 + i]! -= along * direction[i]!
      }
    },
  }
}

/** Turns x[from …] into the direction of the reflection that takes it to (norm, 0, …); returns I − scale v vᵀ's scale. */
function reflection(
  x: Float64Array,
  from: number,
  n: number,
): { readonly scale: number; readonly norm: number } {
  let largest = 0
  for (let i = from + 1; i < n; i++) largest = Math.max(largest, Math.abs(x[i]!))
  if (largest === 0) {
    const norm = x[from]!
    x.fill(0, from, n)
    return { scale: 0, norm }
  }
  largest = Math.max(largest, Math.abs(x[from]!))
  let squares = 0
  for (let i = from; i < n; i++) squares += (x[i]! / largest) ** 2
  // The sign with which nothing cancels in the first entry.
  const norm = -Math.sign(x[from]! || 1) * largest * Math.sqrt(squares)
  const first = x[from]! - norm
  for (let i = from + 1; i < n; i++) x[i]! /= first
  x[from] = 1
  return { scale: -first / norm, norm }
}

/** Column k, on and below the diagonal, of A − v wᵀ − w vᵀ. */
function updateColumn(matrix: Float64Array, n: number, k: number, v: Float64Array, w: Float64Array): void {
  const [a, b] = [v[k]!, w[k]!]
  for (let i = k; i < n; i++) matrix[i * n + k]! -= v[i]! * b + w[i]! * a
}

/**
 * A ← A − v wᵀ − w vᵀ behind row and column `from` (which has been updated already where `from` − 1 was), and product ← A x for what
 * has come of it.
 */
function updateAndMultiply(
  matrix: Float64Array,
  n: number,
  from: number,
  v: Float64Array | undefined,
  w: Float64Array,
  x: Float64Array,
  product: Float64Array,
): void {
  product.fill(0, from, n)
  for (let i = from; i < n; i++) {
    const start = i * n
    const xi = x[i]!
    let sum = 0
    if (v === undefined) {
      for (let j = from; j < i; j++) {
        const a = matrix[start + j]!
        sum += a * x[j]!
        product[j]! += a * xi
      }
    } else {
      const [vi, wi] = [v[i]!, w[i]!]
      for (let j = from; j < i; j++) {
        const a = matrix[start + j]! - vi * w[j]! - wi * v[j]!
        matrix[start + j] = a
        sum += a * x[j]!
        product[j]! += a * xi
      }
      matrix[start + i]! -= 2 * vi * wi
    }
    product[i]! += sum + matrix[start + i]! * xi
  }
}
