/** @file Operators and what is composed of them, against dense matrices. */
import { parameter, parameterMap } from '@beyondgrad/autograd'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockDiagonal,
  defineLinearOperator,
  type DenseMatrix,
  DiagonalOperator,
  identityOperator,
  type LinearOperator,
  vectorLayout,
} from '../../src/index.ts'
import { close } from '../closeness.ts'
import {
  diagonalOf,
  normal,
  operatorOf,
  product,
  randomMatrix,
  semidefinite,
  timesDense,
  transpose,
} from './dense.ts'

const sizes = fc.record({ rows: fc.integer({ min: 0, max: 5 }), columns: fc.integer({ min: 0, max: 5 }) })
const entrywise = (a: DenseMatrix, b: DenseMatrix, f: (x: number, y: number) => number): DenseMatrix => ({
  ...a,
  data: a.data.map((x, k) => f(x, b.data[k]!)),
})

/** Products, several at once, transposed products and the whole matrix agree with a dense one; the transpose is the adjoint. */
async function checkAgainst(operator: LinearOperator, matrix: DenseMatrix): Promise<void> {
  const { rows, columns } = matrix
  expect(operator.shape).toEqual([rows, columns])
  const [x, x2, y] = [normal('x', columns), normal('x2', columns), normal('y', rows)]
  const [ax, ax2] = [timesDense(matrix, x), timesDense(matrix, x2)]
  close(await operator.matvec(x), ax)
  const many = await operator.matmat([x, x2])
  close(many[0]!, ax)
  close(many[1]!, ax2)
  expect(await operator.matmat([])).toEqual([])
  close(await operator.rmatvec(y), timesDense(transpose(matrix), y))
  close(await operator.adjoint().matvec(y), timesDense(transpose(matrix), y))
  close(await operator.adjoint().adjoint().matvec(x), ax)
  close((await operator.toDense()).data, matrix.data)
}

describe('operators', () => {
  it('are what they are composed of', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 0, max: 4 }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        async (at, inner, factor) => {
          const { rows, columns } = at
          const [a, b] = [randomMatrix('a', rows, columns), randomMatrix('b', rows, columns)]
          const c = randomMatrix('c', columns, inner)
          const [p, q, r] = [a, b, c].map((matrix) => operatorOf(matrix)) as [
            LinearOperator,
            LinearOperator,
            LinearOperator,
          ]
          await checkAgainst(p, a)
          await checkAgainst(
            p.add(q),
            entrywise(a, b, (x, y) => x + y),
          )
          await checkAgainst(
            p.subtract(q),
            entrywise(a, b, (x, y) => x - y),
          )
          await checkAgainst(
            p.scale(factor),
            entrywise(a, a, (x) => factor * x),
          )
          await checkAgainst(p.compose(r), product(a, c))
          const square = randomMatrix('s', rows, rows)
          const damped = {
            ...square,
            data: square.data.map((x, k) => x + (k % (rows + 1) === 0 ? factor : 0)),
          }
          await checkAgainst(operatorOf(square).damped(factor), damped)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('in blocks', async () => {
    const [a, b] = [randomMatrix('a', 2, 2), randomMatrix('b', 3, 3)]
    const whole = new Float64Array(25)
    a.data.forEach((x, k) => (whole[Math.floor(k / 2) * 5 + (k % 2)] = x))
    b.data.forEach((x, k) => (whole[(2 + Math.floor(k / 3)) * 5 + 2 + (k % 3)] = x))
    await checkAgainst(blockDiagonal([operatorOf(a), operatorOf(b)]), { rows: 5, columns: 5, data: whole })
    const known = blockDiagonal([DiagonalOperator([1, 2]), DiagonalOperator([4])])
    close(await known.known.diagonal!(), [1, 2, 4])
    expect(await known.known.trace!()).toBe(7)
    expect(await known.known.logdet!()).toBeCloseTo(Math.log(8))
    close(await known.known.inverse!().matvec([1, 1, 1]), [1, 0.5, 0.25])
    close(await known.damped(1).known.diagonal!(), [2, 3, 5])
    close(await known.scale(2).known.diagonal!(), [2, 4, 8])
  })

  it('know diagonals and traces of sums, multiples and parts', async () => {
    const [a, b] = [DiagonalOperator([1, 2, 3]), DiagonalOperator([5, 7, 11])]
    const sum = a.subtract(b).damped(1)
    const { data } = await sum.toDense()
    close(
      await sum.known.diagonal!(),
      data.filter((_, k) => k % 4 === 0),
    )
    expect(await sum.known.trace!()).toBe(-14)
    expect(await identityOperator(3).known.trace!()).toBe(3)
    await checkAgainst(identityOperator(2), { rows: 2, columns: 2, data: Float64Array.of(1, 0, 0, 1) })
  })
})

const parameters = parameterMap([
  parameter('w', { shape: [2, 2], dtype: 'float32', data: new Float32Array(4) }),
  parameter('none', { shape: [0, 3], dtype: 'float32', data: new Float32Array(0) }),
  parameter('b', { shape: [], dtype: 'float32', data: new Float32Array(1) }),
])

describe('layouts', () => {
  const layout = vectorLayout([...parameters].map(([p]) => p))

  it('flatten in order, and unflatten again', () => {
    expect(layout.size).toBe(5)
    const flat = layout.flatten({ b: [5], none: [], w: { shape: [2, 2], data: [1, 2, 3, 4] } })
    expect([...flat]).toEqual([1, 2, 3, 4, 5])
    const named = layout.unflatten(flat)
    expect(named.names).toEqual(['w', 'none', 'b'])
    expect(named.get(parameters.get('w')).shape).toEqual([2, 2])
    expect([...named.get('b').data]).toEqual([5])
    expect([...layout.flatten(named)]).toEqual([...flat])
  })

  it('say what does not fit', () => {
    expect(() => layout.flatten({ w: [1], none: [], b: [1] })).toThrow(
      /flatten: "w" has shape \[2, 2\], the array 1 elements/,
    )
    expect(() => layout.flatten({ w: [1, 2, 3, 4], none: [] })).toThrow(
      /there is no "b" here; there are: w, none/,
    )
    expect(() => layout.unflatten([1])).toThrow(/the vector has 1 entries, and w, none, b have 5/)
    expect(() => vectorLayout([parameters.get('w'), parameters.get('w')])).toThrow(
      /two entries are called "w"/,
    )
  })

  it('restrict operators to parameters', async () => {
    const matrix = semidefinite('m', 5, 5)
    const operator = defineLinearOperator({
      name: 'm',
      layout,
      symmetric: true,
      matvec: (v) => timesDense(matrix, v),
    })
    const part = operator.restrict(['b', parameters.get('w')])
    const order = [4, 0, 1, 2, 3]
    const data = Float64Array.from(
      { length: 25 },
      (_, k) => matrix.data[order[Math.floor(k / 5)]! * 5 + order[k % 5]!]!,
    )
    await checkAgainst(part, { rows: 5, columns: 5, data })
    expect(part.layout!.parts.map(({ part: { name } }) => name)).toEqual(['b', 'w'])
    close(await DiagonalOperator(layout.unflatten(diagonalOf(matrix))).restrict(['b']).known.diagonal!(), [
      matrix.data[24]!,
    ])
    expect(() => operator.restrict(['c'])).toThrow(/there is no "c" here/)
    expect(() => operatorOf(matrix).restrict(['b'])).toThrow(/define it with a layout/)
    expect(() => operator.add(part)).toThrow(/m is about w, none, b, m of b, w about b, w; restrict\(\) them/)
  })
})

describe('one clear sentence for', () => {
  const operator = operatorOf(randomMatrix('a', 2, 3))
  it.each([
    [
      'a vector of another length',
      () => operator.matvec([1]),
      /dense: it multiplies vectors of 3 entries, not of 1/,
    ],
    ['NaN', () => operator.matvec([1, NaN, 2]), /dense: entry 1 of the vector is NaN/],
    [
      'infinity among several',
      () =>
        operator.matmat([
          [1, 2, 3],
          [1, 2, Infinity],
        ]),
      /entry 2 of the vector is Infinity/,
    ],
    [
      'a transposed product of another length',
      () => operator.rmatvec([1, 2, 3]),
      /vectors of 2 entries, not of 3/,
    ],
    [
      'a matrix that is too large',
      () => operator.toDense({ limit: 2 }),
      /dense is \[2, 3\], and the limit is 2/,
    ],
    [
      'a product of the wrong length',
      () => defineLinearOperator({ name: 'odd', shape: [2, 2], matvec: () => [1] }).matvec([1, 2]),
      /its product has 1 entries, and should have 2/,
    ],
    [
      'a transpose that is not known',
      () => defineLinearOperator({ name: 'odd', shape: [1, 1], matvec: () => [1] }).rmatvec([1]),
      /define the operator with rmatvec/,
    ],
  ])('%s', async (_what, run, message) => {
    await expect(run()).rejects.toThrow(message)
  })

  it.each([
    [
      'a sum of other shapes',
      () => operator.add(operatorOf(randomMatrix('b', 3, 2))),
      /add: dense is \[2, 3\], dense \[3, 2\]/,
    ],
    [
      'a product that does not fit',
      () => operator.compose(operator),
      /compose: dense \[2, 3\] can't follow dense \[2, 3\]/,
    ],
    ['damping what is not square', () => operator.damped(1), /damped: dense is \[2, 3\] and must be square/],
    ['a factor that is none', () => operator.scale(NaN), /scale: takes a finite number, not NaN/],
    ['no blocks', () => blockDiagonal([]), /there is no operator/],
    [
      'no shape',
      () => defineLinearOperator({ name: 'odd', matvec: () => [] }),
      /odd needs a shape of two sizes, or a layout/,
    ],
    [
      'symmetric and not square',
      () => defineLinearOperator({ name: 'odd', shape: [1, 2], symmetric: true, matvec: () => [] }),
      /can't be symmetric/,
    ],
    ['a diagonal with NaN', () => DiagonalOperator([1, NaN]), /DiagonalOperator: entry 1 is NaN/],
  ])('%s', (_what, run, message) => {
    expect(run).toThrow(message)
  })

  it('a signal, between products', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const products = operator.matmat(
      [
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
      ],
      {
        signal: controller.signal,
        onProgress: ({ done, total }) => {
          seen.push(done / total!)
          if (done === 2) controller.abort()
        },
      },
    )
    await expect(products).rejects.toMatchObject({ code: 'cancelled' })
    expect(seen).toEqual([1 / 3, 2 / 3])
  })
})
