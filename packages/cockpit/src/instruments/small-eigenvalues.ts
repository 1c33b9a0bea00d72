/** @file Eigenvalues of a small symmetric matrix, by Jacobi's rotations. */

/** Unordered; empty where an entry is not finite. */
export function symmetricEigenvalues(data: ArrayLike<number>, size: number): number[] {
  const a = Float64Array.from(data)
  if (!a.every(Number.isFinite)) return []
  const at = (i: number, j: number): number => a[i * size + j]!
  const rotate = (p: number, q: number): void => {
    const theta = (at(q, q) - at(p, p)) / (2 * at(p, q))
    const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1))
    const c = 1 / Math.hypot(t, 1)
    const s = t * c
    for (let k = 0; k < size; k++) {
      const [x, y] = [at(k, p), at(k, q)]
      a[k * size + p] = c * x - s * y
      a[k * size + q] = s * x + c * y
    }
    for (let k = 0; k < size; k++) {
      const [x, y] = [at(p, k), at(q, k)]
      a[p * size + k] = c * x - s * y
      a[q * size + k] = s * x + c * y
    }
  }
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotations = 0
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(at(p, q)) <= 1e-16 * Math.hypot(at(p, p), at(q, q)) || at(p, q) === 0) continue
        rotate(p, q)
        rotations++
      }
    }
    if (rotations === 0) break
  }
  return Array.from({ length: size }, (_, i) => at(i, i))
}
