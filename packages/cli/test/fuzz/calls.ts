/** @file Made-up calls of ops: arguments that may fit, and what plain JavaScript may pass instead. */
import * as ops from '@beyondgrad/tensor'
import { type AnyTensor, cast, type DType, tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { signatures } from './signatures.ts'

/** A call that prints as a program would write it. */
export interface Call {
  readonly op: string
  readonly args: readonly unknown[]
}

const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'bool']
const shapes = fc.oneof(
  { weight: 6, arbitrary: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }) },
  { weight: 2, arbitrary: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 6, maxLength: 8 }) },
)
/** Two operands often have one shape, or an image and its windows. */
const likely = fc.constantFrom<number[]>(
  [2, 3],
  [3, 2],
  [3],
  [],
  [2, 2, 5],
  [1, 2, 4, 4],
  [2, 2, 3, 3],
  [4, 4],
)

function tensorOf(dtype: DType, shape: readonly number[], seed: number): AnyTensor {
  const odd = [NaN, Infinity, -Infinity, -0, 1e30]
  const values = Array.from({ length: ops.sizeOf(shape) }, (_, i) => (((i + 1) * (seed + 7919)) % 13) - 5)
  const floats = values.map((value, i) => (seed % 11 === 0 && i % 3 === 0 ? odd[i % 5]! : value / 2))
  const data: Readonly<Record<DType, ops.HostArray>> = {
    float32: Float32Array.from(floats),
    float64: Float64Array.from(floats),
    int32: Int32Array.from(values),
    int64: BigInt64Array.from(values.map(BigInt)),
    bool: Uint8Array.from(values, (value) => (value > 0 ? 1 : 0)),
  }
  return tensor({ data: data[dtype], shape, dtype } as ops.NDArray)
}

const tensors = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: fc.constant<DType>('float32') }, fc.constantFrom(...dtypes)),
    fc.oneof(shapes, likely),
    fc.nat(99),
  )
  .map(([dtype, shape, seed]) => tensorOf(dtype, shape, seed))

const indices = fc
  .tuple(fc.constantFrom<DType>('int32', 'int64'), fc.oneof(shapes, likely), fc.constantFrom(1, 2, 9))
  .map(([dtype, shape, modulus]) => {
    const data = Int32Array.from({ length: ops.sizeOf(shape) }, (_, i) => (i * 7) % modulus)
    return cast(tensor(data, { shape, dtype: 'int32' }), dtype)
  })

const axis = fc.integer({ min: -3, max: 3 })
const count = fc.integer({ min: 0, max: 4 })
const some = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 4 })
const number = fc.oneof(fc.double({ min: -3, max: 3, noNaN: true }), fc.integer({ min: -3, max: 9 }))
const source = fc.record({
  distribution: fc.constantFrom('uniform', 'normal', 'other'),
  seed: fc.integer({ min: -2, max: 9 }),
  stream: fc.constant('s'),
})

const countOrCounts = fc.oneof(count, some(fc.integer({ min: 1, max: 3 })))
const sides = fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 2 })
const geometry = fc.oneof(
  fc.nat(1).chain((extra) =>
    fc.tuple(sides, fc.nat(1)).map(([kernel, pad]) => ({
      kernel,
      stride: kernel.map(() => 1 + extra),
      before: kernel.map(() => pad),
      after: kernel.map(() => 0),
      dilation: kernel.map(() => 1),
      groups: 1,
      countPadding: true,
    })),
  ),
  fc.record({
    kernel: some(count),
    stride: some(count),
    before: some(count),
    after: some(count),
    dilation: some(count),
    groups: count,
  }),
)

const words: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  tensor: tensors,
  operand: fc.oneof({ weight: 3, arbitrary: tensors }, number),
  tensors: fc.oneof(
    fc.array(tensors, { maxLength: 3 }),
    tensors.map((x) => [x, x]),
  ),
  indices,
  axis,
  axes: some(axis),
  axesOrAxis: fc.oneof(axis, some(axis)),
  shape: fc.oneof(shapes, some(fc.integer({ min: -1, max: 9 }))),
  count,
  counts: some(count),
  countOrCounts,
  number,
  numbers: some(number),
  position: fc.integer({ min: -6, max: 6 }),
  step: fc.integer({ min: -3, max: 3 }),
  flag: fc.boolean(),
  dtype: fc.constantFrom(...dtypes),
  word: fc.constantFrom('none', 'tanh', 'other'),
  mode: fc.constantFrom(
    'constant',
    'reflect',
    'symmetric',
    'edge',
    'circular',
    'nearest',
    'linear',
    'cubic',
    'half-pixel',
    'align-corners',
    'asymmetric',
  ),
  reduction: fc.constantFrom('none', 'add', 'mul', 'max', 'min', 'other'),
  equation: fc.constantFrom(
    'ij,jk->ik',
    'ij->ji',
    'ii->i',
    '...i,...i',
    'ab,ab->',
    'ij',
    '->',
    'i,j',
    'ij,jk->iz',
    '...,...',
    'aa,aa->aa',
  ),
  geometry,
  nested: fc.oneof(
    number,
    some(number),
    fc.array(some(number), { maxLength: 3 }),
    fc.constant(Int32Array.of(1, 2)),
    fc.boolean(),
  ),
  options: fc.record(
    { shape: shapes, dtype: fc.constantFrom(...dtypes) },
    { requiredKeys: [], noNullPrototype: true },
  ),
  source,
}

/** What nobody means, as plain JavaScript may pass it. */
const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    NaN,
    -1,
    0.5,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -(2 ** 31),
    1e300,
    Infinity,
    -Infinity,
  ),
  fc.constantFrom<unknown>(
    '3',
    '',
    true,
    3n,
    {},
    [],
    [[]],
    () => 1,
    Float32Array.of(2, 2),
    { length: 3 },
    { shape: [2] },
  ),
  fc.constantFrom<unknown>(
    [NaN],
    [0.5],
    [-1],
    [-1, -1],
    [2 ** 31],
    [2 ** 16, 2 ** 16],
    [2 ** 40, 2 ** 40],
    [1e308, 1e308, 0],
  ),
  fc.constantFrom<unknown>(
    [undefined],
    [null],
    ['2'],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    Array(3),
    [0, 0],
    [1, 2, 3],
  ),
)

const often = (fitting: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 8, arbitrary: fitting }, { weight: 1, arbitrary: hostile })

function argument(word: string): fc.Arbitrary<readonly unknown[]> {
  if (word.endsWith('...')) return fc.array(often(words[word.slice(0, -3)]!), { maxLength: 3 })
  if (word.endsWith('?')) return fc.array(often(words[word.slice(0, -1)]!), { maxLength: 1 })
  if (!word.startsWith('{')) return often(words[word]!).map((value) => [value])
  const options = word
    .slice(1, -1)
    .split(',')
    .map((option) => option.split(':') as [string, string])
  const record = fc.record(Object.fromEntries(options.map(([name, kind]) => [name, often(words[kind]!)])), {
    requiredKeys: [],
  })
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: often(record).map((value) => [value]) },
  )
}

/** Calls of one op. */
export function callsOf(op: string): fc.Arbitrary<Call> {
  const parts = signatures[op]!.split(' ').map(argument)
  return fc.tuple(...parts).map((args) => ({ op, args: args.flat() }))
}

export function printed({ op, args }: Call): string {
  return `${op}(${args.map(printedValue).join(', ')})`
}

function printedValue(value: unknown): string {
  if (typeof value === 'object' && value !== null && '~beyondgrad' in value) {
    const { dtype, shape } = value as AnyTensor
    return `${dtype}${ops.formatShape(shape)}`
  }
  if (Array.isArray(value)) return `[${value.map(printedValue).join(', ')}]`
  if (
    typeof value === 'object' &&
    value !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(value) as null)
  ) {
    return `{ ${Object.entries(value)
      .map(([key, each]) => `${key}: ${printedValue(each)}`)
      .join(', ')} }`
  }
  return typeof value === 'string' ? `'${value}'` : String(value)
}
