/**
 * @file Small symmetric matrices on the host, dense or diagonal: products, Cholesky's and the eigenvalue decomposition. What
 * Kronecker factors are made of.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

/** A matrix is Q Λ Qᵀ; without `vectors` Q is the identity. */
export interface Eigenbasis {
  readonly values: Float64Array
  /** [size, size], columns are eigenvectors. */
  readonly vectors: Float64Array | undefined
}

export interface SymmetricMatrix {
  readonly size: number
  readonly diagonal: Float64Array
  /** The matrix times x [size, columns]. */
  left(x: Float64Array, columns: number): Float64Array
  /** x [rows, size] times the matrix. */
  right(x: Float64Array, rows: number): Float64Array
  damped(delta: number): SymmetricMatrix
  scaled(factor: number): SymmetricMatrix
  /** Throws `no-solution` unless it is positive definite. */
  inverse(): SymmetricMatrix
  /** Throws `no-solution` unless it is positive definite. */
  logdet(): number
  eigenbasis(): Eigenbasis
}

/** [m, k] times [k, n], row-major; four rows of b at a time, so that a row of the result is written a fourth as often. */
export function multiply(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const result = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    const to = i * n
    let j = 0
    for (; j + 3 < k; j += 4) {
      const at = i * k + j
      const [p, q, r, s] = [a[at]!, a[at + 1]!, a[at + 2]!, a[at + 3]!]
      const from = j * n
      for (let l = 0; l < n; l++) {
        result[to + l]! +=
          p * b[from + l]! + q * b[from + n + l]! + r * b[from + 2 * n + l]! + s * b[from + 3 * n + l]!
      }
    }
    for (; j < k; j++) addRow(result, to, a[i * k + j]!, b, j * n, n)
  }
  return result
}

/** `count` numbers of the target += factor · those of the source. */
function addRow(
  target: Float64Array,
  to: number,
  factor: number,
  source: Float64Array,
  from: number,
  count: number,
): void {
  for (let l = 0; l < count; l++) target[to + l]! += factor * source[from + l]!
}

/** [rows, columns] → [columns, rows]. */
export function transposed(x: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(x.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = x[i * columns + j]!
  return result
}

function indefinite(what: string): BeyondgradError {
  return new BeyondgradError(
    'no-solution',
    `the Kronecker factor of ${what} is not positive definite, as factors of few samples are not; damp it first, with damped() or factorDamped()`,
  )
}

/** @param what it belongs to, for messages */
export function diagonalMatrix(diagonal: Float64Array, what: string): SymmetricMatrix {
  const size = diagonal.length
  const demandPositive = (): void => {
    if (!diagonal.every((value) => value > 0)) throw indefinite(what)
  }
  return {
    size,
    diagonal,
    left: (x, columns) => x.map((value, at) => value * diagonal[Math.floor(at / columns)]!),
    right: (x) => x.map((value, at) => value * diagonal[at % size]!),
    damped: (delta) =>
      diagonalMatrix(
        diagonal.map((value) => value + delta),
        what,
      ),
    scaled: (factor) =>
      diagonalMatrix(
        diagonal.map((value) => value * factor),
        what,
      ),
    inverse: () => {
      demandPositive()
      return diagonalMatrix(
        diagonal.map((value) => 1 / value),
        what,
      )
    },
    logdet: () => {
      demandPositive()
      return diagonal.reduce((sum, value) => sum + Math.log(value), 0)
    },
    eigenbasis: () => ({ values: diagonal, vectors: undefined }),
  }
}

/**
 * @param data [size, size], symmetric up to rounding
 * @param what it belongs to, for messages
 */
export function denseMatrix(data: Float64Array, size: number, what: string): SymmetricMatrix {
  const even = data.map((value, at) => (value + data[(at % size) * size + Math.floor(at / size)]!) / 2)
  const diagonal = Float64Array.from({ length: size }, (_, i) => even[i * size + i]!)
  let basis: Eigenbasis | undefined
  const cholesky = (): Float64Array => {
    const root = choleskyRoot(even, size)
    if (root === undefined) throw indefinite(what)
    return root
  }
  return {
    size,
    diagonal,
    left: (x, columns) => multiply(even, x, size, size, columns),
    right: (x, rows) => multiply(x, even, rows, size, size),
    damped: (delta) => {
      const changed = even.slice()
      for (let i = 0; i < size; i++) changed[i * size + i]! += delta
      return denseMatrix(changed, size, what)
    },
    scaled: (factor) =>
      denseMatrix(
        even.map((value) => value * factor),
        size,
        what,
      ),
    inverse: () => denseMatrix(inverseOf(cholesky(), size), size, what),
    logdet: () => {
      const root = cholesky()
      let sum = 0
      for (let i = 0; i < size; i++) sum += 2 * Math.log(root[i * size + i]!)
      return sum
    },
    eigenbasis: () => (basis ??= eigenbasisOf(even, size)),
  }
}

/** L with L Lᵀ = the matrix, row by row; undefined if it is not positive definite. */
function choleskyRoot(data: Float64Array, size: number): Float64Array | undefined {
  const root = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const row = i * size
    for (let j = 0; j <= i; j++) {
      const other = j * size
      let rest = data[row + j]!
      for (let k = 0; k < j; k++) rest -= root[row + k]! * root[other + k]!
      if (i > j) root[row + j] = rest / root[other + j]!
      else if (rest > 0) root[row + i] = Math.sqrt(rest)
      else return undefined
    }
  }
  return root
}

/** (L Lᵀ)⁻¹ = L⁻ᵀ L⁻¹, row by row of L⁻¹. */
function inverseOf(root: Float64Array, size: number): Float64Array {
  const below = new Float64Array(size * size)
  const inverted = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const row = i * size
    const pivot = root[row + i]!
    for (let k = 0; k < i; k++) addRow(below, row, -root[row + k]! / pivot, below, k * size, k + 1)
    below[row + i] = 1 / pivot
    for (let k = 0; k <= i; k++) addRow(inverted, k * size, below[row + k]!, below, row, i + 1)
  }
  return inverted
}

function matrixOf(data: Float64Array, size: number): Matrix {
  const rows = Array.from({ length: size }, (_, i) => data.subarray(i * size, (i + 1) * size))
  return new Matrix(rows)
}

/** Eigenvalues, ascending, and eigenvectors of a symmetric matrix [size, size]. */
export function eigenbasisOf(
  data: Float64Array,
  size: number,
): Required<Eigenbasis> & {
  readonly vectors: Float64Array
} {
  if (size === 0) return { values: new Float64Array(0), vectors: new Float64Array(0) }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrixOf(data, size), {
    assumeSymmetric: true,
  })
  return {
    values: Float64Array.from(realEigenvalues),
    vectors: Float64Array.from(eigenvectorMatrix.to1DArray()),
  }
}
