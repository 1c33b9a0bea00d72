/** @file The eigen-solver against ml-matrix, its own definition, and spectra that are unkind. */
import fc from 'fast-check'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { eigh } from '../../src/index.ts'

type Rows = readonly (readonly number[])[]

/** Numbers in ±1, a pure function of the seed. */
function random(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  }
}

/** Q diag(values) Qᵀ with Q a product of reflections. */
function withSpectrum(values: readonly number[], seed: number): Float64Array {
  const n = values.length
  const next = random(seed)
  let matrix = values.map((value, i) => values.map((_, j) => (i === j ? value : 0)))
  for (let times = 0; times < 3; times++) {
    const v = values.map(() => next())
    const norm = Math.hypot(...v)
    const unit = v.map((x) => x / (norm || 1))
    const reflect = (rows: Rows): number[][] => {
      const along = unit.map((_, j) => unit.reduce((sum, u, i) => sum + u * rows[i]![j]!, 0))
      return rows.map((row, i) => row.map((x, j) => x - 2 * unit[i]! * along[j]!))
    }
    const turned = (rows: Rows): number[][] => rows.map((_, i) => rows.map((row) => row[i]!))
    matrix = turned(reflect(turned(reflect(matrix))))
  }
  // Exactly symmetric.
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n]
    return (matrix[i]![j]! + matrix[j]![i]!) / 2
  })
}

const all = (values: Float64Array): number[] => [...values.keys()]

/** Throws unless values and vectors are those of the matrix, to the last digits. */
function check(
  matrix: Float64Array,
  n: number,
  choose: (values: Float64Array) => readonly number[],
): Float64Array {
  const { values, vectors, indices } = eigh(matrix.slice(), n, choose)
  const size = Math.max(1e-300, ...values.map(Math.abs))
  expect(vectors).toHaveLength(indices.length)
  for (let k = 1; k < n; k++) expect(values[k]).toBeGreaterThanOrEqual(values[k - 1]!)
  vectors.forEach((x, at) => {
    for (let i = 0; i < n; i++) {
      const product = x.reduce((sum, each, j) => sum + matrix[i * n + j]! * each, 0)
      expect(Math.abs(product - values[indices[at]!]! * x[i]!) / size).toBeLessThan(1e-13 * n)
    }
    for (let other = 0; other <= at; other++) {
      const inner = x.reduce((sum, each, j) => sum + each * vectors[other]![j]!, 0)
      expect(Math.abs(inner - (other === at ? 1 : 0))).toBeLessThan(1e-13 * n)
    }
    const largest = x.reduce((a, b) => (Math.abs(b) > Math.abs(a) * (1 + 1e-9) ? b : a), 0)
    expect(largest).toBeGreaterThan(0)
  })
  return values
}

function expectValues(found: Float64Array, expected: readonly number[], n: number): void {
  const size = Math.max(1e-300, ...expected.map(Math.abs))
  const sorted = [...expected].sort((a, b) => a - b)
  sorted.forEach((value, k) => expect(Math.abs(found[k]! - value) / size).toBeLessThan(1e-14 * n + 2e-15))
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

const spectra: Readonly<Record<string, (n: number) => number[]>> = {
  spread: (n) => range(n).map((i) => i - n / 3),
  'all the same': (n) => range(n).map(() => 2.5),
  'all zero': (n) => range(n).map(() => 0),
  'two clusters': (n) => range(n).map((i) => (i % 2 ? 1 : 3)),
  'clusters that nearly touch': (n) => range(n).map((i) => 1 + Math.floor(i / 3) * 1e-9 + i * 1e-15),
  'of low rank': (n) => range(n).map((i) => (i < Math.ceil(n / 4) ? i + 1 : 0)),
  'graded over 16 decades': (n) => range(n).map((i) => 10 ** ((-16 * i) / n)),
  'graded the other way, of either sign': (n) =>
    range(n).map((i) => (i % 2 ? -1 : 1) * 10 ** ((12 * i) / n - 12)),
  huge: (n) => range(n).map((i) => (i + 1) * 1e300),
  tiny: (n) => range(n).map((i) => (i + 1) * 1e-300),
}

describe.each(Object.entries(spectra))('%s', (_name, spectrum) => {
  it.each([1, 2, 3, 17, 60])('%i rows: values, all vectors, and a few', (n) => {
    const values = spectrum(n)
    const matrix = withSpectrum(values, n)
    expectValues(check(matrix, n, all), values, n)
    check(matrix, n, (found) => all(found).slice(-5))
    check(matrix, n, (found) => all(found).filter((k) => k % 7 === 0))
  })
})

describe('eigh', () => {
  it('agrees with ml-matrix on random matrices of any size', () => {
    const property = fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(1e6), (n, seed) => {
      const next = random(seed)
      const rows = range(n).map(() => range(n).map(() => next()))
      const symmetric = rows.map((row, i) => row.map((x, j) => (x + rows[j]![i]!) / 2))
      const expected = new EigenvalueDecomposition(new Matrix(symmetric), { assumeSymmetric: true })
        .realEigenvalues
      expectValues(check(Float64Array.from(symmetric.flat()), n, all), expected, n)
    })
    fc.assert(property, { numRuns: 60, seed: 20_261 })
  })

  it('knows Wilkinson’s matrix, whose large eigenvalues come in pairs', () => {
    const n = 21
    const matrix = new Float64Array(n * n)
    for (let i = 0; i < n; i++) {
      matrix[i * n + i] = Math.abs(i - 10)
      if (i > 0) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = 1
    }
    const values = check(matrix, n, all)
    // Wilkinson, "The Algebraic Eigenvalue Problem", 1965, p. 308.
    expect(values[20]).toBeCloseTo(10.746194182903393, 12)
    expect(values[20]! - values[19]!).toBeLessThan(1e-12)
  })

  it('handles diagonal matrices, rows of zeros and nothing at all', () => {
    check(Float64Array.from([3, 0, 0, 0, -1, 0, 0, 0, 0]), 3, all)
    check(Float64Array.from([0, 0, 0, 0, 4, 1, 0, 1, 4]), 3, all)
    expect(eigh(new Float64Array(0), 0).values).toHaveLength(0)
  })

  it('looks at one triangle only', () => {
    expect(Array.from(eigh(Float64Array.from([2, 99, 0, 5]), 2).values)).toEqual([2, 5])
  })

  it('says what is wrong with a matrix, or with a choice', () => {
    expect(() => eigh(new Float64Array(3), 2)).toThrow('eigh: 3 numbers are no 2 × 2 matrix')
    expect(() => eigh(Float64Array.from([1, 0, NaN, 1]), 2)).toThrow(
      'eigh: entry [1, 0] of the matrix is NaN',
    )
    expect(() => eigh(Float64Array.from([1, 0, 0, Infinity]), 2)).toThrow(
      'eigh: entry [1, 1] of the matrix is Infinity',
    )
    expect(() => eigh(Float64Array.from([1, 0, 0, 2]), 2, () => [2])).toThrow(
      'there is no eigenvalue 2 among 2',
    )
  })
})
