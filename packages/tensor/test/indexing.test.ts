/** @file Reading and writing by index: by hand, and against loops that say what ONNX says. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AnyTensor,
  cast,
  compile,
  constant,
  type DType,
  evaluate,
  flip,
  full,
  gather,
  gatherAt,
  gatherElements,
  gatherND,
  intTensor,
  referenceEngine,
  reshape,
  scatterAdd,
  scatterElements,
  scatterElementsAdd,
  scatterND,
  type ScatterReduction,
  type Shape,
  sizeOf,
  slice,
  stridesOf,
  tensor,
  type Tensor,
  vmap,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const engine = referenceEngine()
const table = tensor([
  [1, 2, 3],
  [4, 5, 6],
])
const run = (x: AnyTensor): Promise<unknown> => evaluate({ x }, { engine })
const long = (values: readonly number[]): Tensor<'int64'> =>
  tensor(BigInt64Array.from(values, BigInt), { shape: [values.length], dtype: 'int64' })

describe('gather', () => {
  it('takes slices in the order of the indices, whose axes take the place of the axis', async () => {
    await expectValues(gather(table, intTensor([1, 0, 1])), [
      [4, 5, 6],
      [1, 2, 3],
      [4, 5, 6],
    ])
    await expectValues(gather(table, intTensor([[0, -1]]), 1), [[[1, 3]], [[4, 6]]])
    await expectValues(gather(table, intTensor(2), -1), [3, 6])
    await expectValues(gather(table, constant([-3, 2], 'int32'), 1), [
      [1, 3],
      [4, 6],
    ])
    await expectValues(gather(cast(table, 'int32'), long([-1])), [[4, 5, 6]])
    await expectValues(gather(table, reshape(intTensor([]), [0]), 1), [[], []], [2, 0])
    await expectValues(gather(zeros([0, 2]), reshape(intTensor([]), [0])), [], [0, 2])
  })

  it('takes elements, also where there are fewer indices', async () => {
    await expectValues(gatherElements(table, intTensor([[2, 0, -1]]), 1), [[3, 1, 3]])
    await expectValues(gatherElements(table, intTensor([[1], [0]]), 0), [[4], [1]])
    await expectValues(
      gatherElements(
        table,
        intTensor([
          [0, 1, 0],
          [1, 1, 1],
          [-1, -2, 0],
        ]),
        0,
      ),
      [
        [1, 5, 3],
        [4, 5, 6],
        [4, 2, 3],
      ],
    )
  })

  it('takes slices at coordinates, with and without a batch', async () => {
    await expectValues(
      gatherND(
        table,
        intTensor([
          [0, -1],
          [1, 0],
        ]),
      ),
      [3, 4],
    )
    await expectValues(gatherND(table, intTensor([[[1]], [[0]]])), [[[4, 5, 6]], [[1, 2, 3]]])
    await expectValues(gatherND(table, intTensor([[2], [-3]]), 1), [3, 4])
    const cube = reshape(tensor(Array.from({ length: 12 }, (_, i) => i)), [2, 3, 2])
    await expectValues(
      gatherND(
        cube,
        intTensor([
          [[2], [0]],
          [[1], [1]],
        ]),
        1,
      ),
      [
        [
          [4, 5],
          [0, 1],
        ],
        [
          [8, 9],
          [8, 9],
        ],
      ],
    )
  })

  it('adds what goes to one place', async () => {
    await expectValues(scatterAdd(table, intTensor([2, 2]), 0, 4), [
      [0, 0, 0],
      [0, 0, 0],
      [5, 7, 9],
      [0, 0, 0],
    ])
    await expectValues(scatterAdd(table, intTensor([-1, 0, -1]), 1, 2), [
      [2, 4],
      [5, 10],
    ])
    await expectValues(scatterAdd(table, intTensor(1), 0, 2), [
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ])
    await expectValues(
      scatterElementsAdd(
        cast(table, 'int64'),
        intTensor([
          [0, 0, 1],
          [1, 1, 1],
        ]),
        1,
        2,
      ),
      [
        [3, 3],
        [0, 15],
      ],
    )
    await expectValues(scatterAdd(zeros([0, 2]), reshape(intTensor([]), [0]), 0, 1), [[0, 0]])
  })
})

describe('an index that is not on the axis', () => {
  const bad = intTensor([0, 2])
  const doubled = cast(cast(bad, 'float32').mul(2), 'int32')
  const columns = intTensor([[0, 3, 0]])

  it('is an error at once if it is constant', () => {
    expect(() => gather(table, constant([0, 2], 'int32'))).toThrow(
      'gather: the index contains 2 at [1], which is not an integer from -2 to 1',
    )
    expect(() => gather(zeros([0, 3]), bad)).toThrow(
      'gather: axis 0 of [0, 3] is empty: no index exists on it',
    )
  })

  it.each<readonly [string, () => AnyTensor, string]>([
    ['gather', () => gather(table, bad), 'gather: the index contains 2 at [1]'],
    ['a computed one', () => gather(table, doubled), 'gather: the index contains 4 at [1]'],
    ['a negative one', () => gather(table, intTensor([-3])), 'gather: the index contains -3 at [0]'],
    ['one of 64 bits', () => gather(table, long([2 ** 40])), 'gather: the index contains 1099511627776'],
    ['gatherElements', () => gatherElements(table, columns, 1), 'gatherElements: the index contains 3'],
    ['gatherND', () => gatherND(table, intTensor([[0, 3]])), 'gatherND: the index contains 3 at [0]'],
    ['scatterAdd', () => scatterAdd(table, bad, 0, 2), 'scatterAdd: the index contains 2'],
    [
      'scatterElementsAdd',
      () => scatterElementsAdd(slice(table, 0, 1), columns, 1, 3),
      'scatterElementsAdd: the index contains 3',
    ],
    [
      'scatterElements',
      () => scatterElements(table, columns, zeros([1, 3]), 1),
      'scatterElements: the index contains 3 at [0, 1]',
    ],
    ['scatterND', () => scatterND(table, intTensor([[2]]), zeros([1, 3])), 'scatterND: the index contains 2'],
    [
      'behind vmap',
      () => vmap((i: Tensor<'int32'>) => gather(table, i))(bad),
      'gather: the index contains 2',
    ],
  ])('fails the evaluation of %s', async (_name, build, message) => {
    await expect(run(build())).rejects.toMatchObject({ name: 'DataError', code: 'data' })
    await expect(run(build())).rejects.toThrow(message)
  })

  it('fails a run of a compiled function, and the next one goes on', async () => {
    const take = compile((i: Tensor<'int32'>) => ({ row: gather(table, i) }), { engine })
    await expect(take(bad)).rejects.toThrow('gather: the index contains 2')
    expect((await take(intTensor([1, -2]))).row.data).toEqual(Float64Array.of(4, 5, 6, 1, 2, 3))
    await take.dispose()
  })
})

it.each<readonly [() => unknown, string]>([
  [
    () => gather(table, tensor([0]) as unknown as Tensor<'int32'>),
    "gather: indices must be int32 or int64, not float32; use intTensor(), or cast(x, 'int32')",
  ],
  [
    () => gatherElements(table, intTensor([[0, 0, 0, 0]]), 0),
    'gatherElements: indices [1, 4] do not lie within [2, 3] on every axis but 0',
  ],
  [
    () => gatherND(table, intTensor([[0, 0, 0]])),
    'gatherND: indices [1, 3] name 3 axes of [2, 3] from axis 0 on',
  ],
  [
    () => gatherND(table, intTensor([[0]]), 1),
    'gatherND: [2, 3] and indices [1, 1] do not share 1 leading axes',
  ],
  [
    () => scatterAdd(table, intTensor([0]), 0, 2),
    "scatterAdd: updates [2, 3] do not have the indices' shape [1] at axis 0",
  ],
  [() => scatterAdd(table, intTensor([0]), 0, -1), 'scatterAdd: [-1] is not a shape'],
  [() => scatterAdd(cast(table, 'bool'), intTensor([0, 0]), 0, 2), 'scatterAdd: adds numbers, not bool'],
  [
    () => scatterElementsAdd(table, intTensor([[0]]), 0, 2),
    'scatterElementsAdd: updates [2, 3] and indices [1, 1] must have the same shape',
  ],
  [
    () => scatterElements(table, intTensor([[0]]), zeros([2, 1]), 0),
    'scatterElements: updates must be [1, 1], not [2, 1]',
  ],
  [
    () => scatterND(table, intTensor([[0]]), cast(zeros([1, 3]), 'int32') as AnyTensor as Tensor),
    'scatterND: updates must be float32 as what they are written to, not int32',
  ],
  [
    () => scatterND(table, intTensor([[0]]), zeros([1, 3]), { reduction: 'sum' as 'add' }),
    'scatterND: reduction is "none", "add", "mul", "max" or "min", not "sum"',
  ],
  [
    () =>
      scatterElements(cast(table, 'bool'), intTensor([[0]]), cast(zeros([1, 1]), 'bool'), 0, {
        reduction: 'add',
      }),
    'scatterElements: joins numbers, not bool; use cast()',
  ],
  [() => gatherAt(table, long([0]) as AnyTensor as Tensor<'int32'>, 0), 'gather: positions must be int32'],
  [() => flip(table, [0, 0]), 'flip: axes [0, 0] name an axis twice'],
])('says what is wrong: %#', (build, message) => {
  expect(build).toThrow(message)
})

it('a primitive does not read what is not there', async () => {
  await expect(run(gatherAt(table, intTensor([2]), 0))).rejects.toThrow(
    'gather: position 2 is not on an axis of size 2',
  )
})

const join: Record<ScatterReduction, (old: number, update: number) => number> = {
  none: (_old, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
}

const reductions = fc.constantFrom<ScatterReduction>('none', 'add', 'mul', 'max', 'min')
const dtypes = fc.constantFrom<DType>('float32', 'int32', 'int64')
const numbers = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: -3, max: 3 }), { minLength: length, maxLength: length })
const valueOf = async (x: AnyTensor): Promise<number[]> => {
  const { value } = await evaluate({ value: x }, { engine })
  return Array.from(value.data as Float64Array, Number)
}

/** Adding 0 makes 0 of -0, which no definition tells apart. */
const unsigned = (values: readonly number[]): number[] => values.map((value) => value + 0)

const coordinates = (index: number, shape: Shape): number[] =>
  stridesOf(shape).map((stride, axis) => Math.floor(index / stride) % shape[axis]!)

const place = (at: readonly number[], shape: Shape): number =>
  stridesOf(shape).reduce((sum, stride, axis) => sum + stride * at[axis]!, 0)

describe('writing by index, update after update', () => {
  it('scatterElements', () =>
    fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
          .chain((shape) =>
            fc.record({
              shape: fc.constant(shape),
              axis: fc.nat(shape.length - 1),
              cut: fc.array(fc.nat(2), { minLength: shape.length, maxLength: shape.length }),
              count: fc.nat(5),
            }),
          )
          .chain(({ shape, axis, cut, count }) => {
            const part = shape.map((d, i) => (i === axis ? count : Math.max(1, d - cut[i]!)))
            return fc.record({
              shape: fc.constant(shape),
              axis: fc.constant(axis),
              part: fc.constant(part),
              x: numbers(sizeOf(shape)),
              updates: numbers(sizeOf(part)),
              indices: fc.array(fc.integer({ min: -shape[axis]!, max: shape[axis]! - 1 }), {
                minLength: sizeOf(part),
                maxLength: sizeOf(part),
              }),
            })
          }),
        reductions,
        dtypes,
        async ({ shape, axis, part, x, updates, indices }, reduction, dtype) => {
          const expected = [...x]
          updates.forEach((update, i) => {
            const at = coordinates(i, part)
            at[axis] = (indices[i]! + shape[axis]!) % shape[axis]!
            expected[place(at, shape)] = join[reduction](expected[place(at, shape)]!, update)
          })
          const of = (values: number[], sizes: Shape): Tensor =>
            cast<DType>(reshape(tensor(values), sizes), dtype) as Tensor
          const written = scatterElements(
            of(x, shape),
            reshape(intTensor(indices), part),
            of(updates, part),
            axis,
            { reduction },
          )
          expect(written.dtype).toBe(dtype)
          expect(unsigned(await valueOf(written))).toEqual(unsigned(expected))
        },
      ),
      { numRuns: 300 },
    ))

  it('scatterND', () =>
    fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 })
          .chain((shape) =>
            fc.record({
              shape: fc.constant(shape),
              depth: fc.integer({ min: 1, max: shape.length }),
              count: fc.nat(5),
            }),
          )
          .chain(({ shape, depth, count }) =>
            fc.record({
              shape: fc.constant(shape),
              x: numbers(sizeOf(shape)),
              updates: numbers(count * sizeOf(shape.slice(depth))),
              indices: fc.array(
                fc.tuple(...shape.slice(0, depth).map((d) => fc.integer({ min: -d, max: d - 1 }))),
                { minLength: count, maxLength: count },
              ),
              depth: fc.constant(depth),
            }),
          ),
        reductions,
        async ({ shape, depth, x, updates, indices }, reduction) => {
          const rest = shape.slice(depth)
          const expected = [...x]
          updates.forEach((update, i) => {
            const row = indices[Math.floor(i / sizeOf(rest))]!.map(
              (at, axis) => (at + shape[axis]!) % shape[axis]!,
            )
            const to = place([...row, ...coordinates(i % sizeOf(rest), rest)], shape)
            expected[to] = join[reduction](expected[to]!, update)
          })
          const written = scatterND(
            reshape(tensor(x), shape),
            reshape(intTensor(indices.flat()), [indices.length, depth]),
            reshape(tensor(updates), [indices.length, ...rest]),
            { reduction },
          )
          expect(unsigned(await valueOf(written))).toEqual(unsigned(expected))
        },
      ),
      { numRuns: 200 },
    ))

  it('hands NaN on, and knows the extremes of integers', async () => {
    const at = intTensor([0, 0, 0])
    const some = tensor([1, NaN, -1])
    for (const reduction of ['max', 'min', 'mul', 'add'] as const) {
      await expectValues(scatterElements(tensor([2, 3]), at, some, 0, { reduction }), [NaN, 3])
    }
    const least = -(2 ** 31)
    const written = scatterElements(intTensor([5, 3]), at, intTensor([7, least, 1]), 0, { reduction: 'min' })
    await expectValues(written, [least, 3])
    await expectValues(
      scatterElements(cast(tensor([0, 1]), 'bool'), intTensor([0]), cast(full([1], 1), 'bool'), 0),
      [true, true],
    )
  })
})

describe('flip and backward slices', () => {
  it('reverse axes', async () => {
    await expectValues(flip(table, [1]), [
      [3, 2, 1],
      [6, 5, 4],
    ])
    await expectValues(flip(table), [
      [6, 5, 4],
      [3, 2, 1],
    ])
    await expectValues(flip(cast(table, 'bool'), [0]), [
      [true, true, true],
      [true, true, true],
    ])
    expect(flip(zeros([1, 0]))).toMatchObject({ shape: [1, 0] })
  })

  it('slices as numpy does, from either end and past both', () => {
    const position = fc.integer({ min: -8, max: 8 })
    return fc.assert(
      fc.asyncProperty(
        fc.nat(5),
        position,
        fc.option(position, { nil: undefined }),
        fc.integer({ min: 1, max: 3 }),
        async (size, start, end, step) => {
          // In terms of Python's definition: i = start, start - step, … while i > end.
          const clamped = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, -1), size - 1)
          const expected: number[] = []
          for (let i = clamped(start); i > (end === undefined ? -1 : clamped(end)); i -= step)
            expected.push(i)
          const x = reshape(tensor(Array.from({ length: size }, (_, i) => i)), [size])
          expect(await valueOf(slice(x, 0, start, end, -step))).toEqual(expected)
        },
      ),
      { numRuns: 300 },
    )
  })
})
