/** @file Elementwise operators against the reference engine. */
import * as ops from '@beyondgrad/tensor'
import { type AnyTensor, cast, type DType, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { broadcastable, expectAgreement, numbers, runs, seeds, shapes } from './against-reference.ts'

const positive = (x: Tensor): Tensor => ops.abs(x).add(0.1)

const unary: readonly [string, (x: Tensor) => Tensor][] = [
  ['neg', ops.neg],
  ['abs', ops.abs],
  ['sign', ops.sign],
  ['exp', ops.exp],
  ['log', (x) => ops.log(positive(x))],
  ['sqrt', (x) => ops.sqrt(positive(x))],
  ['square', ops.square],
  ['reciprocal', (x) => ops.reciprocal(positive(x))],
  ['tanh', ops.tanh],
  ['sigmoid', ops.sigmoid],
  ['relu', ops.relu],
]

const binary: readonly [string, (a: Tensor, b: Tensor) => AnyTensor][] = [
  ['add', ops.add],
  ['sub', ops.sub],
  ['mul', ops.mul],
  ['div', (a, b) => ops.div(a, positive(b))],
  ['pow', (a, b) => ops.pow(positive(a), b)],
  ['maximum', ops.maximum],
  ['minimum', ops.minimum],
  ['equal', (a, b) => ops.equal(a, b)],
  ['less', (a, b) => ops.less(a, b)],
  ['greater', (a, b) => ops.greater(a, b)],
]

describe('elementwise', () => {
  it('one operand', () =>
    fc.assert(
      fc.asyncProperty(shapes, seeds, fc.boolean(), async (shape, seed, whole) => {
        const x = numbers(shape, seed, whole)
        await expectAgreement(unary.map(([, of]) => of(x)))
      }),
      runs,
    ))

  it('two operands that broadcast, both ways', () =>
    fc.assert(
      fc.asyncProperty(
        shapes.chain((shape) => fc.tuple(fc.constant(shape), broadcastable(shape))),
        seeds,
        fc.boolean(),
        async ([shape, other], seed, whole) => {
          const [a, b] = [numbers(shape, seed, whole), numbers(other, seed + 1, whole)]
          await expectAgreement(binary.flatMap(([, of]) => [of(a, b), of(b, a)]))
        },
      ),
      runs,
    ))

  it('where, with every operand broadcast', () =>
    fc.assert(
      fc.asyncProperty(
        shapes.chain((s) => fc.tuple(broadcastable(s), broadcastable(s), broadcastable(s))),
        seeds,
        async ([condition, left, right], seed) => {
          const mask = ops.greater(numbers(condition, seed, true), 0)
          const [a, b] = [numbers(left, seed + 1), numbers(right, seed + 2)]
          await expectAgreement([
            ops.where(mask, a, b),
            ops.where(mask, a, 0),
            ops.where(mask, 1, b),
            ops.where(mask, cast(a, 'int32'), cast(b, 'int32')),
            ops.where(mask, cast(a, 'int64'), cast(b, 'int64')),
            ops.where(mask, cast(a, 'float64'), cast(b, 'float64')),
            ops.where(mask, ops.greater(a, 1), ops.less(b, 0)),
          ])
        },
      ),
      runs,
    ))

  const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'bool']

  it('cast from every dtype to every other', () =>
    fc.assert(
      fc.asyncProperty(shapes, seeds, async (shape, seed) => {
        const x = numbers(shape, seed)
        await expectAgreement(dtypes.flatMap((from) => dtypes.map((to) => cast(cast(x, from), to))))
      }),
      runs,
    ))

  it('whole numbers', () =>
    fc.assert(
      fc.asyncProperty(shapes, seeds, fc.constantFrom('int32', 'int64'), async (shape, seed, dtype) => {
        const a = cast(numbers(shape, seed, true).mul(9), dtype as 'int32')
        const b = cast(numbers(shape, seed + 1, true), dtype as 'int32')
        await expectAgreement([
          ops.neg(a),
          ops.abs(a),
          ops.sign(a),
          ops.square(a),
          ops.add(a, b),
          ops.sub(a, b),
          ops.mul(a, b),
          ops.maximum(a, b),
          ops.minimum(a, b),
          ops.equal(a, b),
          ops.less(a, b),
          ops.greater(a, b),
        ])
      }),
      runs,
    ))

  it('bools are compared as 0 and 1', async () => {
    const a = ops.greater(numbers([5, 4], 1, true), 0)
    const b = ops.greater(numbers([4], 2, true), 0)
    await expectAgreement([ops.equal(a, b), ops.less(a, b), ops.greater(a, b)])
  })

  it('double precision', async () => {
    const x = cast(numbers([3, 4], 3), 'float64') as unknown as Tensor
    const tight = { relative: 1e-13, absolute: 1e-13 }
    await expectAgreement([ops.square(x), ops.exp(x), ops.tanh(x), ops.sigmoid(x), ops.relu(x)], tight)
  })

  it('NaN, infinities and zeros', async () => {
    const x = tensor(Float32Array.of(NaN, Infinity, -Infinity, 0, -0, 1, -1, 3e38), {
      shape: [8],
      dtype: 'float32',
    })
    const y = ops.reshape(x, [8, 1])
    await expectAgreement([
      ops.neg(x),
      ops.abs(x),
      ops.exp(x),
      ops.tanh(x),
      ops.sigmoid(x),
      ops.relu(x),
      ops.square(x),
      ops.sqrt(x),
      ops.log(x),
      ops.reciprocal(x),
      ops.add(x, y),
      ops.mul(x, y),
      ops.div(x, y),
      ops.maximum(x, y),
      ops.minimum(x, y),
      ops.greater(x, y),
      ops.less(x, y),
      ops.equal(x, y),
      ops.where(ops.greater(x, 0.5), x, 0),
      ops.cast(x, 'bool'),
    ])
  })

  it('the derivative of relu is a mask', async () => {
    const x = numbers([4, 3], 5, true)
    const g = numbers([2, 4, 3], 6)
    await expectAgreement([ops.where(ops.greater(x, 0), g, 0), ops.where(ops.greater(g, 0), x, 0)])
  })
})
