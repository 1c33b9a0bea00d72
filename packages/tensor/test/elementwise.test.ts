import { describe, expect, it } from 'vitest'
import {
  abs,
  add,
  type AnyTensor,
  cast,
  constant,
  div,
  equal,
  exp,
  greater,
  intTensor,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sign,
  sqrt,
  square,
  sub,
  tanh,
  tensor,
  type Tensor,
  where,
  zeros,
} from '../src/index.ts'
import { expectValues, type Nest } from './expect-values.ts'

const { E } = Math
const [nan, inf] = [NaN, Infinity]

const unary: readonly (readonly [string, (x: Tensor) => AnyTensor, readonly number[], readonly number[]])[] =
  [
    ['neg', (x) => neg(x), [1, -2, 0, inf, nan], [-1, 2, 0, -inf, nan]],
    ['abs', (x) => abs(x), [1, -2, 0, -inf, nan], [1, 2, 0, inf, nan]],
    ['sign', (x) => sign(x), [3, -0.5, 0, -inf, nan], [1, -1, 0, -1, nan]],
    ['exp', exp, [0, 1, -inf, inf, nan, 1000], [1, E, 0, inf, nan, inf]],
    ['log', log, [1, 0.5, 0, inf, -1, nan], [0, -Math.LN2, -inf, inf, nan, nan]],
    ['sqrt', sqrt, [4, 0, inf, -1, nan], [2, 0, inf, nan, nan]],
    ['square', (x) => square(x), [3, -2, 0, -inf, nan], [9, 4, 0, inf, nan]],
    ['reciprocal', reciprocal, [2, -0.5, inf, 0, nan], [0.5, -2, 0, inf, nan]],
    ['tanh', tanh, [0, inf, -inf, 0.5, nan], [0, 1, -1, Math.tanh(0.5), nan]],
    ['sigmoid', sigmoid, [0, inf, -inf, -800, 800, nan], [0.5, 1, 0, 0, 1, nan]],
    ['relu', relu, [2, -2, 0, -inf, inf, nan], [2, 0, 0, 0, inf, nan]],
  ]

const binary: readonly (readonly [string, (a: Tensor, b: Tensor) => AnyTensor, readonly Nest[]])[] = [
  ['add', (a, b) => add(a, b), [3, 3, nan, nan]],
  ['sub', (a, b) => sub(a, b), [-1, -7, nan, nan]],
  ['mul', (a, b) => mul(a, b), [2, -10, nan, nan]],
  ['div', div, [0.5, -0.4, nan, nan]],
  ['pow', pow, [1, -32, nan, nan]],
  ['maximum', (a, b) => maximum(a, b), [2, 5, nan, nan]],
  ['minimum', (a, b) => minimum(a, b), [1, -2, nan, nan]],
  ['equal', (a, b) => equal(a, b), [false, false, false, false]],
  ['less', (a, b) => less(a, b), [true, true, false, false]],
  ['greater', (a, b) => greater(a, b), [false, false, false, false]],
]

describe('elementwise ops', () => {
  it.each(unary)('%s of ordinary numbers, zero, infinities and NaN', async (_name, op, inputs, expected) => {
    await expectValues(op(tensor(inputs)), expected)
  })

  it.each(unary)('%s of scalars and of nothing', async (_name, op, [first], [expected]) => {
    await expectValues(op(tensor(first!)), expected!)
    await expectValues(op(zeros([0, 3])), [], [0, 3])
  })

  it.each(binary)('%s of pairs, NaN on either side', async (_name, op, expected) => {
    await expectValues(op(tensor([1, -2, nan, 4]), tensor([2, 5, 1, nan])), expected)
  })

  it.each(binary)('%s broadcasts axes of size 1, missing axes, scalars and empty axes', async (_name, op) => {
    const column = tensor([[1], [2]])
    const row = tensor([3, 4, 5])
    const expected = await Promise.all(
      [1, 2].map((a) => Promise.all([3, 4, 5].map((b) => op(tensor(a), tensor(b)).read()))),
    )
    await expectValues(
      op(column, row),
      expected.map((line) => line.map(({ data }) => Number(data[0]))),
    )
    expect(op(zeros([0, 1]), row).shape).toEqual([0, 3])
    expect(op(tensor(1), column).shape).toEqual([2, 1])
    await expectValues(op(zeros([0]), tensor(2)), [], [0])
  })

  it('numbers beside a tensor take its element type', async () => {
    expect(intTensor([1]).dtype).toBe('int32')
    const shifted = add<'int32'>(intTensor([1, 2]), 3)
    expect(shifted.dtype).toBe('int32')
    await expectValues(shifted, [4, 5])
    await expectValues(sub(1, tensor([3, 4])), [-2, -3])
    await expectValues(add(1, 2), 3)
    await expectValues(tensor([1, 2]).pow(2).div(2).neg(), [-0.5, -2])
  })

  it('where chooses without looking at what it leaves out, and broadcasts all three', async () => {
    const condition = greater(tensor([[1], [-1]]), 0)
    await expectValues(where(condition, tensor([1, 2]), nan), [
      [1, 2],
      [nan, nan],
    ])
    await expectValues(where(equal(tensor(0), 0), inf, tensor([1, 2])), [inf, inf])
    expect(where<'int32'>(condition, intTensor(1), 0).dtype).toBe('int32')
  })

  it('cast goes towards zero for integers, to 1 and 0 for truth values, and is free if nothing changes', async () => {
    const x = tensor([1.9, -1.9, 0, 0.2])
    await expectValues(cast(x, 'int32'), [1, -1, 0, 0])
    await expectValues(cast(x, 'bool'), [true, true, false, true])
    await expectValues(cast(cast(x, 'int64'), 'float32'), [1, -1, 0, 0])
    expect(cast(x, 'float32')).toBe(x)
    const big = await cast(constant([3], 'int64'), 'int64').read()
    expect(big.data).toEqual(BigInt64Array.of(3n))
  })

  it('64-bit integers are computed as such', async () => {
    const x = constant([3, -4], 'int64')
    expect((await add<'int64'>(x, x).read()).data).toEqual(BigInt64Array.of(6n, -8n))
    expect((await neg(x).read()).data).toEqual(BigInt64Array.of(-3n, 4n))
  })
})
