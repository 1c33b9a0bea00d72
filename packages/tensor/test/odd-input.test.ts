/** @file What is not meant is said in one sentence, at once, and never computed all the same. */
import { describe, expect, it } from 'vitest'
import * as ops from '../src/index.ts'
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

describe('what made-up calls found', () => {
  const big = 2 ** 31
  const image = zeros([1, 1, 4, 4])
  const window = { kernel: [2], stride: [1], before: [0], after: [0], dilation: [1] }
  it.each<readonly [string, () => unknown, string]>([
    [
      'an axis of no tensor',
      () => ops.softmax(any(undefined)),
      'max: operand 0 must be a tensor, not undefined',
    ],
    [
      'nothing beside a number',
      () => ops.mul(any<Tensor>(undefined), 2),
      'mul: operand 0 must be a tensor, not undefined',
    ],
    ['options in place of axes', () => sum(x, any({ keep: true })), 'sum: axes must be a list of integers'],
    [
      'options in place of an axis',
      () => ops.sort(x, any({})),
      'axis an object does not exist in a tensor of rank 2',
    ],
    ['no options', () => conv(image, zeros([1, 1, 9, 9]), any(null)), 'conv: the window spans 9 elements'],
    [
      'more elements than can be counted',
      () => ops.tile(x, [big, 1]),
      'expand: a tensor of shape [2147483648, 2, 2] is too big',
    ],
    ['a long axis of an empty tensor', () => zeros([0, big]), 'a tensor of shape [0, 2147483648] is too big'],
    ['infinitely many elements', () => zeros([1e308, 1e308, 0]), 'is too big'],
    ['a matrix that big', () => ops.eye(2 ** 20), 'eye: a tensor of shape [1048576, 1048576] is too big'],
    [
      'too many parts',
      () => ops.split(zeros([0]), 2 ** 32),
      'split: a tensor of shape [4294967296] is too big',
    ],
    ['too many pieces', () => ops.adaptiveAvgPool(image, 2 ** 40), 'adaptiveAvgPool: a tensor of shape'],
    ['too long a resampled axis', () => ops.resize(x, [2 ** 40]), 'resize: a tensor of shape'],
    ['holes in a shape', () => reshape(x, any(Array(2))), 'is not a shape'],
    [
      'a window of nothing',
      () => ops.maxPool(image, []),
      'maxPool: a window needs at least one spatial axis',
    ],
    [
      'half a window',
      () => ops.unfold(image, any({ kernel: [2, 2] })),
      "unfold: the window's stride must be a list",
    ],
    [
      'a window of other rank',
      () => ops.fold(image, { ...window, stride: [] }, [4]),
      "fold: the window's stride [] must be 1 integers",
    ],
    [
      'windows of integers',
      () => ops.maxPool(any(cast(image, 'int64')), [2, 2]),
      'maxPool: takes floating-point tensors, not int64',
    ],
    [
      'no list of parts',
      () =>
        ops.concat(
          any<Tensor[]>(() => 1),
          0,
        ),
      'concat: takes a list of tensors, not function',
    ],
    ['amounts', () => ops.pad(x, [0, 0], any('3')), 'pad: amounts must be a list of integers'],
    ['an equation', () => ops.einsum(any([1]), x), 'einsum: takes an equation, not object'],
    ['a bigint', () => ops.celu(x, { alpha: any(3n) }), 'celu: alpha must be a number, not bigint'],
    [
      'a constant that is no integer',
      () => ops.constant([1.5], 'int32'),
      'constant: 1.5 does not fit into int32',
    ],
    [
      'a constant dtype',
      () => ops.constant([1], any<DType>(Infinity)),
      'constant: there is no dtype "Infinity"',
    ],
    [
      'a shape of a placeholder',
      () => ops.placeholder(any(undefined)),
      'placeholder: a shape must be a list',
    ],
    ['nothing as a tensor', () => ops.toTensor(any(null)), 'expected a tensor, got object'],
  ])('%s', (_what, attempt, sentence) => {
    expect(attempt).toThrow(ops.BeyondgradError)
    expect(attempt).toThrow(sentence)
  })

  it('a reference kernel that finds no memory names the op', async () => {
    const engine = ops.referenceEngine({ warn: () => undefined })
    const huge: ops.Op = {
      name: 'huge',
      family: 'elementwise',
      infer: ([y]) => ({ shape: y!.shape, dtype: y!.dtype }),
      kernel: () => new Float64Array(2 ** 53),
    }
    await expect(evaluate(ops.build(huge, [x]), { engine })).rejects.toMatchObject({
      code: 'engine',
      message: expect.stringContaining('op "huge" [2, 2] needs more memory than there is') as string,
    })
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
