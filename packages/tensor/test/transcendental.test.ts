import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  acos,
  acosh,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  cast,
  ceil,
  cos,
  cosh,
  evaluate,
  erf,
  expm1,
  floor,
  intTensor,
  log1p,
  referenceEngine,
  round,
  sin,
  sinh,
  tan,
  tensor,
  type Tensor,
  trunc,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const [nan, inf, { PI }] = [NaN, Infinity, Math]

async function valuesOf(x: Tensor): Promise<number[]> {
  const { value } = await evaluate({ value: x }, { engine: referenceEngine() })
  return Array.from(value.data)
}
const doubles = (values: readonly number[]): Tensor =>
  tensor(Float64Array.from(values), { shape: [values.length], dtype: 'float64' }) as unknown as Tensor

const unary: readonly (readonly [string, (x: Tensor) => Tensor, readonly number[], readonly number[]])[] = [
  ['sin', sin, [0, PI / 6, inf, nan], [0, 0.5, nan, nan]],
  ['cos', cos, [0, PI / 3, -inf, nan], [1, 0.5, nan, nan]],
  ['tan', tan, [0, PI / 4, inf, nan], [0, 1, nan, nan]],
  ['asin', asin, [1, -0.5, 1.5, nan], [PI / 2, -PI / 6, nan, nan]],
  ['acos', acos, [1, -0.5, -1.5, nan], [0, (2 * PI) / 3, nan, nan]],
  ['atan', atan, [1, -inf, inf, nan], [PI / 4, -PI / 2, PI / 2, nan]],
  ['sinh', sinh, [0, Math.log(2), inf, -inf, nan], [0, 0.75, inf, -inf, nan]],
  ['cosh', cosh, [0, Math.log(2), inf, -inf, nan], [1, 1.25, inf, inf, nan]],
  ['asinh', asinh, [0, 0.75, inf, -inf, nan], [0, Math.log(2), inf, -inf, nan]],
  ['acosh', acosh, [1, 1.25, inf, 0, nan], [0, Math.log(2), inf, nan, nan]],
  ['atanh', atanh, [0, 0.6, 1, -1, 2, nan], [0, Math.log(2), inf, -inf, nan, nan]],
  ['erf', erf, [0, inf, -inf, nan], [0, 1, -1, nan]],
  ['floor', floor, [1.5, -1.5, 2, -inf, nan], [1, -2, 2, -inf, nan]],
  ['ceil', ceil, [1.5, -1.5, 2, inf, nan], [2, -1, 2, inf, nan]],
  ['round', round, [0.5, 1.5, 2.5, -0.5, -1.5, 2.4, -2.6, inf, nan], [0, 2, 2, -0, -2, 2, -3, inf, nan]],
  ['trunc', trunc, [1.9, -1.9, 3, -inf, inf, nan], [1, -1, 3, -inf, inf, nan]],
  ['expm1', expm1, [0, 1, -inf, inf, nan], [0, Math.E - 1, -1, inf, nan]],
  ['log1p', log1p, [0, Math.E - 1, -1, inf, -2, nan], [0, 1, -inf, inf, nan, nan]],
]

describe('transcendental functions', () => {
  it.each(unary)('%s of ordinary numbers, infinities and NaN', async (_name, op, inputs, expected) => {
    const found = await valuesOf(op(doubles(inputs)))
    found.forEach((value, i) => {
      if (Number.isFinite(expected[i]!)) expect(value, `of ${inputs[i]}`).toBeCloseTo(expected[i]!, 14)
      else expect(value, `of ${inputs[i]}`).toBe(expected[i])
    })
    await expectValues(op(zeros([0, 3])), [], [0, 3])
  })

  it('erf is right to 1e-15', async () => {
    // DLMF 7.23 (table by Abramowitz and Stegun), and mpmath.
    const known: readonly (readonly [number, number])[] = [
      [1e-10, 1.1283791670955126e-10],
      [0.1, 0.1124629160182849],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [1.5, 0.9661051464753108],
      [2, 0.9953222650189527],
      [2.5, 0.999593047982555],
      [3, 0.9999779095030014],
      [3.5, 0.9999992569016276],
      [4, 0.9999999845827421],
      [5, 0.9999999999984626],
      [6.5, 1],
    ]
    const found = await valuesOf(erf(doubles(known.map(([x]) => x))))
    known.forEach(([x, value], i) => {
      expect(Math.abs(found[i]! - value) / value, `erf(${x})`).toBeLessThan(1.5e-15)
    })
  })

  it('erf is the integral of the bell, odd and at most 1, also where its two formulas meet', async () => {
    // Simpson's rule over one step: its error is below h⁵.
    const steps = Array.from({ length: 1300 }, (_, i) => i / 200)
    const [h, bell] = [1 / 200, (t: number) => (2 / Math.sqrt(PI)) * Math.exp(-t * t)]
    const found = await valuesOf(erf(doubles(steps)))
    for (let i = 0; i + 1 < steps.length; i++) {
      const x = steps[i]!
      const simpson = (h / 6) * (bell(x) + 4 * bell(x + h / 2) + bell(x + h))
      expect(Math.abs(found[i + 1]! - found[i]! - simpson), `between ${x} and ${x + h}`).toBeLessThan(3e-14)
      expect(found[i + 1]).toBeLessThanOrEqual(1)
    }
    const mirrored = await valuesOf(erf(doubles(steps.map((x) => -x))))
    mirrored.forEach((value, i) => expect(value + found[i]!).toBe(0))
  })

  it('expm1 and log1p keep the digits of small numbers', () =>
    fc.assert(
      fc.asyncProperty(fc.double({ min: -0.9, max: 20, noNaN: true }), async (x) => {
        const [e, l] = [await valuesOf(expm1(doubles([x]))), await valuesOf(log1p(doubles([x])))]
        expect(Math.abs(e[0]! - Math.expm1(x))).toBeLessThanOrEqual(1e-14 * Math.abs(Math.expm1(x)) + 1e-320)
        expect(Math.abs(l[0]! - Math.log1p(x))).toBeLessThanOrEqual(1e-14 * Math.abs(Math.log1p(x)) + 1e-320)
      }),
    ))

  it('atan2 is the angle of a point, with every sign of zeros and infinities', async () => {
    const numbers = [0, -0, 1, -1, 2.5, -1e-300, 1e300, inf, -inf, nan]
    const pairs = numbers.flatMap((y) => numbers.map((x) => [y, x] as const))
    const found = await valuesOf(atan2(doubles(pairs.map(([y]) => y)), doubles(pairs.map(([, x]) => x))))
    pairs.forEach(([y, x], i) => {
      const wanted = Math.atan2(y, x)
      if (wanted === wanted) expect(found[i], `atan2(${y}, ${x})`).toBeCloseTo(wanted, 14)
      else expect(found[i]).toBeNaN()
    })
  })

  it('integers are refused in one sentence', () => {
    expect(() => sin(intTensor([1]) as never)).toThrow(
      'sin: takes floating-point numbers, not int32; use cast()',
    )
    expect(() => floor(cast(tensor([1]), 'bool') as never)).toThrow(
      'floor: takes floating-point numbers, not bool',
    )
  })
})
