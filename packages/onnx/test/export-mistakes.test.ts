/** @file What can't be written as a file is said in one sentence. */
import { cell, cellTensor, relu, type Shape, sizeOf, type Tensor, updates } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { exportOnnx } from '../src/index.ts'

const weight = (name: string, shape: Shape) => {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + shape.length))
  return cell(name, { shape, dtype: 'float32', data })
}

const read = (of: ReturnType<typeof weight>): Tensor => cellTensor(of) as Tensor

const bias = weight('bias', [3])

/** A function that is right, where something else is wrong. */
const rectified = ({ x }: { readonly x: Tensor }): { readonly y: Tensor } => ({ y: relu(x) })

describe('mistakes are one sentence', () => {
  const one = { x: { shape: ['N', 6] } } as const
  const attempt =
    (fn: unknown, options: unknown): (() => unknown) =>
    () =>
      exportOnnx(fn as typeof rectified, options as { readonly inputs: typeof one })

  it.each<[string, unknown, unknown, RegExp]>([
    ['no function', 3, { inputs: one }, /first argument is no function; give one/],
    ['no shape', rectified, { inputs: { x: {} } }, /input "x" has no shape; give one/],
    ['no options', rectified, undefined, /options have no inputs; give/],
    ['no inputs', rectified, {}, /options have no inputs; give/],
    [
      'a size',
      rectified,
      { inputs: { x: { shape: [0, 6] } } },
      /input "x" has the size 0; give a positive integer/,
    ],
    [
      'an axis',
      rectified,
      { inputs: { x: { shape: ['2 N', 6] } } },
      /has the size "2 N"; give .* a name of letters/,
    ],
    [
      'a dtype',
      rectified,
      { inputs: { x: { shape: ['N'], dtype: 'half' } } },
      /unknown dtype half; choose one of float32/,
    ],
    [
      'a size of no axis',
      rectified,
      { inputs: one, sizes: { M: 2 } },
      /sizes has "M", which is no free axis; there are: N/,
    ],
    [
      'no size',
      rectified,
      { inputs: one, sizes: { N: 0.5 } },
      /the size 0.5 of "N" is not a positive integer/,
    ],
    [
      'many axes',
      rectified,
      { inputs: { x: { shape: ['A', 'B', 'C', 'D'] } } },
      /4 free axes .* are too many .*; fix some/,
    ],
    ['no tensors', () => ({}), { inputs: one }, /returns no tensors; return an object of them/],
    ['no object', () => undefined, { inputs: one }, /returns no tensors/],
    ['a promise', () => Promise.resolve({}), { inputs: one }, /synchronously, not return a promise/],
    [
      'a name twice',
      ({ x }: { x: Tensor }) => ({ x: x.mul(2) }),
      { inputs: one },
      /"x" .* an input and an output; rename one/,
    ],
    [
      'two outputs of a name',
      ({ x }: { x: Tensor }) => ({ a: { b: x.mul(2) }, 'a.b': x.mul(3) }),
      { inputs: one },
      /"a.b" would be the name of two outputs/,
    ],
    [
      'updates',
      ({ x }: { x: Tensor }) => ({ y: x.mul(2), step: updates([[bias, read(bias).mul(2)]]) }),
      { inputs: one },
      /asks for updates of parameters, which nothing here carries out; return the new values/,
    ],
    [
      'reading',
      ({ x }: { x: Tensor }) => ({ y: x, z: x.read() }),
      { inputs: one },
      /no values while a function is being traced/,
    ],
  ])('%s', (_, fn, options, message) => {
    expect(attempt(fn, options)).toThrow(message)
    expect(attempt(fn, options)).toThrow(expect.objectContaining({ name: 'BeyondgradError' }))
  })

  it('a parameter that has been updated since', () => {
    const w = weight('w', [6])
    const stale = read(w)
    w.version++
    expect(() => exportOnnx(({ x }) => ({ y: x.mul(stale) }), { inputs: one })).toThrow(/"w" was updated/)
  })
})
