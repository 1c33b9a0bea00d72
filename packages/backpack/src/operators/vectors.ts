/** @file Arithmetic of vectors on the host, in double precision. */

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Scaled, so that squares neither overflow nor vanish. */
export function norm(x: Float64Array): number {
  let largest = 0
  for (const value of x) largest = Math.max(largest, Math.abs(value))
  if (largest === 0 || !Number.isFinite(largest)) return largest
  let sum = 0
  for (const value of x) sum += (value / largest) ** 2
  return largest * Math.sqrt(sum)
}

export const scaled = (x: Float64Array, factor: number): Float64Array => x.map((value) => value * factor)

/** target += factor · x. */
export function addScaled(target: Float64Array, factor: number, x: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * x[i]!
}

export function isFiniteVector(x: ArrayLike<number>): boolean {
  for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i])) return false
  return true
}

export interface Orthogonalization {
  /** Orthonormal, as many as the vectors span dimensions. */
  readonly basis: readonly Float64Array[]
  /** For each vector its coefficients in the basis. */
  readonly coefficients: readonly Float64Array[]
}

/** What is left of a vector after the others is rounding if it is smaller than this part of the vector. */
const negligible = 1e-10

/** Gram and Schmidt, each vector against the basis twice, which is enough (Giraud and Langou, 2003). */
export function orthogonalize(vectors: readonly Float64Array[]): Orthogonalization {
  const basis: Float64Array[] = []
  const largest = Math.max(0, ...vectors.map(norm))
  const coefficients = vectors.map((vector) => {
    const own = new Float64Array(vectors.length)
    const rest = vector.slice()
    for (let pass = 0; pass < 2; pass++) {
      basis.forEach((direction, i) => {
        const along = dot(direction, rest)
        own[i]! += along
        addScaled(rest, -along, direction)
      })
    }
    const length = norm(rest)
    if (length > negligible * largest) {
      own[basis.length] = length
      basis.push(scaled(rest, 1 / length))
    }
    return own
  })
  return { basis, coefficients }
}
