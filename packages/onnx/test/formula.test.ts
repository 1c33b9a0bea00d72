/** @file Numbers as functions of sizes. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { explain, formatFormula, valueOf } from '../src/export/formula.ts'

const points = [
  [5, 9],
  [6, 13],
  [7, 10],
  [11, 8],
]

const at = (of: (n: number, t: number) => number): number[] => points.map(([n, t]) => of(n!, t!))

it.each<[string, (n: number, t: number) => number]>([
  ['7', () => 7],
  ['N', (n) => n],
  ['T', (_, t) => t],
  ['3*T', (_, t) => 3 * t],
  ['2*N + 1', (n) => 2 * n + 1],
  ['-1*N - 4', (n) => -n - 4],
  ['N*T', (n, t) => n * t],
  ['2*N*N', (n) => 2 * n * n],
])('%s', (text, of) => {
  const formula = explain(at(of), points, 'integer')!
  expect(formula).toBeDefined()
  expect(at((n, t) => valueOf(formula, [n, t]))).toEqual(at(of))
  if (formula.factor !== 0) expect(formatFormula(formula, ['N', 'T'])).toBe(text)
})

it.each<[string, (n: number, t: number) => number]>([
  ['half', (n) => Math.floor(n / 2)],
  ['rounded up', (n) => Math.ceil(n / 4)],
  ['remainder', (n) => n % 3],
  ['larger one', (n, t) => Math.max(n, t)],
])('integers are not explained by chance: %s', (_, of) => {
  expect(explain(at(of), points, 'integer')).toBeUndefined()
})

it('fractions in single precision are found again at other sizes', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(1, -1, 2, -2, 0.5, -0.5),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(1, 3, 8),
      fc.integer({ min: -3, max: 3 }),
      (power, numerator, denominator, constant) => {
        const of = (n: number): number => constant + (numerator / denominator) * n ** power
        const formula = explain(
          at((n) => Math.fround(of(n))),
          points,
          'single',
        )
        expect(formula).toBeDefined()
        for (const n of [1, 2, 64]) {
          expect(Math.abs(valueOf(formula!, [n, 1]) - of(n))).toBeLessThanOrEqual(
            2e-6 * Math.max(1, Math.abs(of(n)), numerator),
          )
        }
      },
    ),
  ))

it('one over a size less one', () => {
  const formula = explain(
    at((n) => Math.fround(1 / (n - 1))),
    points,
    'single',
  )!
  expect(valueOf(formula, [3, 1])).toBeCloseTo(0.5, 6)
})

it('infinities and NaN, where they are everywhere', () => {
  expect(explain([NaN, NaN, NaN, NaN], points, 'single')).toMatchObject({ constant: NaN, factor: 0 })
  expect(explain([Infinity, 1, 2, 3], points, 'single')).toBeUndefined()
})
