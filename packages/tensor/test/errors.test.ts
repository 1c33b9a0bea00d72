/** @file Point 11 of the semantics: errors are thrown where the user made them, say what and where, and have a code. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  avgPool,
  BeyondgradError,
  compile,
  concat,
  constant,
  conv,
  DTypeError,
  equal,
  eye,
  expand,
  fold,
  intTensor,
  iota,
  isTensor,
  log,
  matmul,
  max,
  maxPool,
  mean,
  oneHot,
  pad,
  reshape,
  ShapeError,
  slice,
  stack,
  sum,
  tensor,
  type Tensor,
  transpose,
  unfold,
  vmap,
  where,
  zeros,
} from '../src/index.ts'

const of = (...shape: number[]): Tensor => zeros(shape)
const window = { kernel: [2], stride: [1], before: [0], after: [0], dilation: [1] }

const shapeErrors: readonly (readonly [string, () => unknown, string])[] = [
  ['add', () => of(2, 3).add(of(4)), 'add: cannot broadcast [2, 3] with [4]: axis -1 has sizes 3 and 4'],
  [
    'mul',
    () => of(2, 3).mul(of(3, 3)),
    'mul: cannot broadcast [2, 3] with [3, 3]: axis -2 has sizes 2 and 3',
  ],
  [
    'matmul',
    () => matmul(of(2, 3), of(4, 5)),
    'matmul: [2, 3] times [4, 5]: axis -1 of the first has size 3, axis -2 of the second 4',
  ],
  ['matmul of scalars', () => matmul(of(), of()), 'matmul: [] and [] must have at least two axes each'],
  [
    'matmul of batches',
    () => matmul(of(2, 2, 3), of(3, 3, 1)),
    'matmul: cannot broadcast [2] with [3]: axis -1 has sizes 2 and 3',
  ],
  ['sum', () => sum(of(2, 3), [2]), 'sum: axis 2 does not exist in a tensor of rank 2'],
  ['sum twice', () => sum(of(2, 3), [1, -1]), 'sum: axes [1, -1] name an axis twice'],
  ['max over nothing', () => max(of(2, 0), [1]), 'max: there is no max over an empty axis of [2, 0]'],
  ['mean of nothing', () => mean(of(0)), 'mean: there is no mean over axes [0] of [0]: empty'],
  ['reshape', () => reshape(of(2, 3), [4]), 'reshape: [2, 3] has 6 elements, [4] has 4'],
  ['reshape with -1', () => reshape(of(2, 3), [4, -1]), 'reshape: [2, 3] does not fit into [4, -1]'],
  ['reshape with two -1', () => reshape(of(2, 3), [-1, -1]), 'reshape: [2, 3] does not fit into [-1, -1]'],
  ['transpose', () => transpose(of(2, 3), [0, 0]), 'transpose: [0, 0] does not reorder the 2 axes of [2, 3]'],
  [
    'expand',
    () => expand(of(2, 3), [2, 4]),
    'expand: cannot broadcast [2, 3] with [2, 4]: axis -1 has sizes 3 and 4',
  ],
  ['expand to less', () => expand(of(2, 3), [1, 3]), 'expand: [2, 3] does not expand to [1, 3]'],
  ['slice', () => slice(of(2, 3), 2, 0), 'slice: axis 2 does not exist in a tensor of rank 2'],
  ['slice on the spot', () => slice(of(2, 3), 0, 0, 2, 0), 'slice: step 0 is not an integer other than 0'],
  ['pad', () => pad(of(2), [1, 1], [0]), 'pad: [1, 1] and [0] are not paddings of [2]'],
  [
    'concat',
    () => concat([of(2, 3), of(2, 4)], 0),
    'concat: [2, 3] and [2, 4] differ in an axis other than 0',
  ],
  ['concat of nothing', () => concat([], 0), 'concat: there is nothing to join'],
  ['stack', () => stack([of(2), of(3)]), 'concat: [1, 2] and [1, 3] differ in an axis other than 0'],
  [
    'where',
    () => where(equal(of(2), 0), of(3), of(3)),
    'where: cannot broadcast [2] with [3]: axis -1 has sizes 2 and 3',
  ],
  [
    'conv',
    () => conv(of(1, 3, 5), of(2, 2, 3)),
    'conv: a weight of shape [2, 2, 3] with 1 group(s) takes 2 channels and gives a multiple of 1, but the input has 3 channels',
  ],
  [
    'conv on too little',
    () => conv(of(1, 1, 2), of(1, 1, 3)),
    'conv: the window spans 3 elements but spatial axis 0 has 2 (padding included) in [2]',
  ],
  [
    'unfold',
    () => unfold(of(2, 3), window),
    'unfold: expects [samples, channels, ...1 spatial axes], got [2, 3]',
  ],
  [
    'fold',
    () => fold(of(1, 3, 3), window, [4]),
    'fold: expects [samples, channels × 2, 3] for a plane of [4], got [1, 3, 3]',
  ],
  [
    'maxPool',
    () => maxPool(of(1, 1, 4), [2], { padding: 2 }),
    'maxPool: padding must be smaller than the window (2 on spatial axis 0): a window would hold padding only',
  ],
  [
    'avgPool',
    () => avgPool(of(1, 1, 4), [0]),
    'avgPool: kernel size [0] must be 1 integers, each at least 1',
  ],
  ['zeros', () => zeros([2, -1]), 'zeros: [2, -1] is not a shape: sizes are non-negative integers'],
  ['eye', () => eye(1.5), 'eye: [1.5] is not a shape: sizes are non-negative integers'],
  ['iota', () => iota(-1), 'iota: [-1] is not a shape: sizes are non-negative integers'],
  [
    'ragged rows',
    () => tensor([[1, 2], [3]]),
    'tensor: the nested arrays have different lengths; every row must be as long as the first',
  ],
  [
    'data that does not fill its shape',
    () => tensor(new Float32Array(5), { shape: [2, 3], dtype: 'float32' }),
    "tensor: 5 elements don't fill shape [2, 3], which has 6",
  ],
  [
    'vmap over unequal batches',
    () => vmap((a: Tensor, b: Tensor) => a.add(b))(of(2, 3), of(4, 3)),
    'vmap: argument 1 of shape [4, 3] has 4 examples on axis 0, the others 2',
  ],
  ['vmap over nothing', () => vmap((a: Tensor) => a, [null])(of(2)), 'vmap: no argument has a batch axis'],
]

const dtypeErrors: readonly (readonly [string, () => unknown, string])[] = [
  [
    'operands that differ',
    () => of(2).add(intTensor([1, 2]) as never),
    'add: operands must have the same dtype, not float32 and int32; use cast()',
  ],
  [
    'log of integers',
    () => log(intTensor([1]) as never),
    'log: takes floating-point numbers, not int32; use cast()',
  ],
  ['truth values added', () => equal(of(1), 0).add(1), 'add: takes numbers, not bool; use cast() first'],
  [
    'integers multiplied',
    () => matmul(intTensor([[1]]) as never, intTensor([[1]]) as never),
    'matmul: takes two floating-point tensors, not int32 and int32',
  ],
  [
    'a condition of numbers',
    () => where(of(1) as never, 1, 2),
    'where: the condition must be bool, not float32',
  ],
  ['fractions for integers', () => intTensor([1.5]), 'intTensor: 1.5 is not a 32-bit integer'],
  ['words', () => tensor(['a'] as never), 'tensor: takes numbers, not string'],
  [
    'the wrong array',
    () => tensor(new Int32Array(2) as never, { shape: [2], dtype: 'float32' }),
    'tensor: a Int32Array does not hold float32; use a Float32Array',
  ],
]

describe('11. shape errors', () => {
  it.each(shapeErrors)('name op, shapes and axis: %s', (_name, attempt, message) => {
    expect(attempt).toThrow(ShapeError)
    try {
      attempt()
    } catch (error) {
      expect((error as Error).message).toBe(message)
      expect(error).toMatchObject({ code: 'shape', name: 'ShapeError' })
      // The caller's line is in the stack: it was thrown while the graph was built.
      expect((error as Error).stack).toContain('errors.test.ts')
    }
  })

  it.each(dtypeErrors)('and element types say what is wanted: %s', (_name, attempt, message) => {
    expect(attempt).toThrow(DTypeError)
    expect(attempt).toThrow(message)
  })

  it('are thrown at the line inside of a traced function, too', async () => {
    const wrong = compile((x: Tensor) => ({ y: x.add(of(4)) }))
    await expect(wrong(tensor([1, 2]))).rejects.toThrow(/cannot broadcast \[2\] with \[4\]/)
  })

  it('of values: depths, protocols, arguments', async () => {
    expect(() => oneHot(intTensor([0]), 0)).toThrow('oneHot: depth 0 is not a positive integer')
    expect(() => isTensor({ '~beyondgrad': 2 })).toThrow(
      /this tensor speaks protocol 2, this copy .* protocol 1/,
    )
    const f = compile((x: Tensor) => ({ x }))
    await expect(f(tensor([1]).add(1) as never)).rejects.toThrow(
      'argument 0 of a compiled function is an expression (add); pass data, or compute it first with hold()',
    )
    await expect(f(3 as never)).rejects.toThrow(
      'argument 0 of a compiled function is neither a tensor nor an NDArray',
    )
    await expect(f({ shape: [3], dtype: 'float32', data: new Float32Array(2) })).rejects.toThrow(
      'compile: argument 0 has 2 elements, which is not its shape [3]',
    )
    await f.dispose()
    await expect(f(tensor([1]))).rejects.toThrow('this compiled function has been disposed; compile it again')
    expect(() => constant(1.5, 'int64')).toThrow()
  })
})

describe('every error code', () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
  const codes = [...read('../src/errors.ts').matchAll(/^ {2}\| '([a-z-]+)'$/gm)].map(([, code]) => code!)

  it('has an entry in docs/errors.md, and every entry a code', () => {
    const entries = [...read('../../../docs/errors.md').matchAll(/^## `([a-z-]+)`$/gm)].map(
      ([, code]) => code!,
    )
    expect(codes.length).toBeGreaterThan(8)
    expect(entries.sort()).toEqual([...codes].sort())
  })

  it('is on every error of ours', () => {
    const error = new BeyondgradError('value', 'x')
    expect(error).toBeInstanceOf(Error)
    expect({ code: error.code, name: error.name }).toEqual({ code: 'value', name: 'BeyondgradError' })
  })
})
