/** @file What is not meant is said in one sentence, at once, and never computed all the same. */
import { describe, expect, it } from 'vitest'
import {
  add,
  cast,
  cell,
  cellTensor,
  conv,
  type DType,
  evaluate,
  intTensor,
  less,
  mean,
  random,
  reshape,
  slice,
  sum,
  tensor,
  type Tensor,
  updates,
  zeros,
} from '../src/index.ts'

const x = tensor([
  [1, 2],
  [3, 4],
])
const whole = intTensor([1, 2, 3])
/** What plain JavaScript may pass. */
const any = <T>(value: unknown): T => value as T

describe('an integer tensor', () => {
  it('takes no fractions beside it', () => {
    expect(() => whole.mul(0.5)).toThrow(
      "mul: 0.5 is not an integer, but the tensor beside it is int32; use cast(x, 'float32')",
    )
    expect(() => less<'int32'>(whole, 1.5)).toThrow('less: 1.5 is not an integer')
  })

  it('has no mean', () => {
    expect(() => mean(any<Tensor>(whole))).toThrow(
      'mean: takes floating-point numbers, not int32; use cast()',
    )
  })
})

describe('what is no tensor, shape, axis or dtype', () => {
  const cyclic: unknown[] = []
  cyclic[0] = cyclic
  it.each<readonly [string, () => unknown, string]>([
    ['null', () => tensor(any(null)), 'tensor: takes numbers, not object'],
    ['a string', () => tensor(any('abc')), 'tensor: takes numbers, not string'],
    [
      'a list that contains itself',
      () => tensor(any(cyclic)),
      'tensor: the arrays are nested more than 64 deep',
    ],
    [
      'a tensor',
      () => tensor(any(x)),
      'tensor: this is a tensor already; hold() turns its value into a leaf',
    ],
    ['an operand', () => x.add(any(undefined)), 'add: operand 1 must be a tensor, not undefined'],
    [
      'two numbers’ worth',
      () => add(1, any<Tensor>(undefined)),
      'add: operand 1 must be a tensor, not undefined',
    ],
    ['axes', () => sum(x, any(1)), 'sum: axes must be a list of integers such as [2, 3], not 1'],
    [
      'a new shape',
      () => reshape(x, any(4)),
      'reshape: the shape must be a list of integers such as [2, 3], not 4',
    ],
    ['a shape', () => zeros(any(3)), 'zeros: a shape must be a list of integers such as [2, 3], not 3'],
    ['a position', () => slice(x, 0, 0.5), 'slice: position 0.5 is not an integer'],
    [
      'a dtype',
      () => cast(x, any<DType>('float16')),
      'cast: there is no dtype "float16"; use float32, float64, int32, int64 or bool',
    ],
    [
      'padding',
      () => conv(zeros([1, 1, 4, 4]), zeros([1, 1, 3, 3]), { padding: any('same') }),
      'conv: padding must be a list of integers',
    ],
    [
      'a seed',
      () => random([1, 2], { distribution: 'normal', seed: 0.5, stream: 's' }),
      'random: the seed must be an integer of at most 32 bits, not 0.5',
    ],
  ])('%s', (_what, attempt, sentence) => {
    expect(attempt).toThrow(sentence)
  })
})

describe('evaluate', () => {
  it('says where it does not look', async () => {
    const loop: Record<string, unknown> = {}
    loop.loop = loop
    await expect(evaluate(loop)).rejects.toThrow('evaluate: the object contains itself')
    await expect(evaluate(new Map([['x', x]]))).rejects.toThrow(
      'evaluate: tensors inside a Map are not found',
    )
  })

  it('refuses two new values for one cell', async () => {
    const state = cell('state', { shape: [], dtype: 'float32', data: Float32Array.of(1) })
    const value = cellTensor(state) as Tensor
    const twice = { a: updates([[state, value.add(1)]]), b: updates([[state, value.add(2)]]) }
    await expect(evaluate(twice)).rejects.toThrow('updates: "state" would be written twice in one run')
    expect(state.data).toEqual(Float32Array.of(1))
  })
})
