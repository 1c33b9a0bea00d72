/** @file Solutions by conjugate gradients and Neumann's series: residuals, preconditioners, and what has no solution. */
import { backward, crossEntropy } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { evaluate, referenceEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  defineLinearOperator,
  DiagGGN,
  DiagonalOperator,
  GGNOperator,
  HessianOperator,
  inverse,
  KFLR,
  KroneckerOperator,
  type LinearOperator,
} from '../../src/index.ts'
import { data, labels } from '../network.ts'
import { close } from '../closeness.ts'
import { normal, operatorOf, randomMatrix, semidefinite, timesDense } from './dense.ts'

const size = 12
const definite = semidefinite('spd', size, size, 0.2)
const operator = operatorOf(definite, true)
const length = (x: Float64Array): number => Math.sqrt(x.reduce((s, v) => s + v * v, 0))

async function residualOf(of: LinearOperator, solution: Float64Array, right: Float64Array): Promise<number> {
  const image = await of.matvec(solution)
  return length(right.map((x, i) => x - image[i]!)) / length(right)
}

describe.each(['cg', 'neumann'] as const)('%s', (method) => {
  it('solves to the tolerance, and says so', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 0, max: 100 }), async (n, seed) => {
        const matrix = operatorOf(semidefinite(`m${seed}`, n, n, 0.5), true)
        const inverted = inverse(matrix, { method, tolerance: 1e-8, maxIterations: 5000 })
        const right = normal(`b${seed}`, n)
        const { solution, residual, iterations } = await inverted.solve(right)
        expect(residual).toBeLessThanOrEqual(1e-8)
        expect(await residualOf(matrix, solution, right)).toBeCloseTo(residual, 12)
        expect(iterations).toBeGreaterThan(0)
        close(await inverted.matvec(right), solution, 1e-12)
      }),
      { numRuns: 25 },
    )
  })

  it('is the inverse, several columns at once and of zero', async () => {
    const inverted = inverse(operator, { method, tolerance: 1e-11, maxIterations: 5000 })
    const { data: identity } = await operator.compose(inverted).toDense()
    close(
      identity,
      identity.map((_, k) => (k % (size + 1) === 0 ? 1 : 0)),
      1e-9,
    )
    const [u, v] = [normal('u', size), normal('v', size)]
    const many = await inverted.matmat([u, new Float64Array(size), v])
    close(many[0]!, await inverted.matvec(u), 1e-9)
    close(many[2]!, await inverted.matvec(v), 1e-9)
    expect(await inverted.solve(new Float64Array(size))).toMatchObject({ iterations: 0, residual: 0 })
    close(many[1]!, new Float64Array(size))
    expect(inverse(inverted).name).toBe('dense')
  })

  it('says when it does not converge', async () => {
    const inverted = inverse(operator, { method, tolerance: 1e-10, maxIterations: 2 })
    await expect(inverted.matvec(normal('b', size))).rejects.toThrow(
      new RegExp(
        `inverse \\(${method}\\): no convergence after 2 iterations: the relative residual is .*, and should be at most 1e-10; allow more with maxIterations`,
      ),
    )
    await expect(inverted.matvec(normal('b', size))).rejects.toMatchObject({ code: 'no-solution' })
  })

  it('says when the matrix is not positive definite', async () => {
    const indefinite = DiagonalOperator([3, 2, -1])
    await expect(inverse(indefinite, { method }).matvec([1, 1, 1])).rejects.toThrow(/not positive definite/)
    const zero = operatorOf({ rows: 2, columns: 2, data: new Float64Array(4) }, true)
    await expect(inverse(zero, { method }).matvec([1, 1])).rejects.toThrow(/not positive definite/)
  })

  it('reports, and can be cancelled', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const solving = inverse(operator, { method, tolerance: 1e-12 }).solve(normal('b', size), {
      signal: controller.signal,
      onProgress: ({ done }) => {
        seen.push(done)
        if (done === 3) controller.abort()
      },
    })
    await expect(solving).rejects.toMatchObject({ code: 'cancelled' })
    expect(seen).toEqual([1, 2, 3])
  })

  it('refuses NaN, wrong lengths and products that are not finite', async () => {
    const inverted = inverse(operator, { method })
    await expect(inverted.solve([NaN])).rejects.toThrow(/multiplies vectors of 12 entries, not of 1/)
    await expect(inverted.solve(new Float64Array(size).fill(NaN))).rejects.toThrow(
      /entry 0 of the vector is NaN/,
    )
    const broken = defineLinearOperator({
      name: 'broken',
      shape: [2, 2],
      symmetric: true,
      matvec: () => [NaN, 1],
    })
    await expect(inverse(broken, { method }).solve([1, 1])).rejects.toMatchObject({ code: 'data' })
  })
})

describe('conjugate gradients', () => {
  it('need as many steps as there are eigenvalues, one with the inverse as preconditioner', async () => {
    const few = DiagonalOperator([1, 1, 5, 5, 5, 9])
    const right = normal('b', 6)
    const { iterations } = await inverse(few, { method: 'cg', tolerance: 1e-10 }).solve(right)
    // Three, and one to see that it is done.
    expect(iterations).toBe(4)
    const preconditioned = inverse(few, { method: 'cg', preconditioner: inverse(few), tolerance: 1e-10 })
    expect((await preconditioned.solve(right)).iterations).toBe(2)
  })

  it('solve singular systems whose right side is in reach, and no others', async () => {
    const singular = semidefinite('low', size, 3)
    const low = operatorOf(singular, true)
    const right = timesDense(singular, normal('x', size))
    const { residual } = await inverse(low, { tolerance: 1e-8 }).solve(right)
    expect(residual).toBeLessThan(1e-8)
    await expect(inverse(low).solve(normal('b', size))).rejects.toMatchObject({ code: 'no-solution' })
  })

  it('say when the preconditioner is none', async () => {
    const negative = DiagonalOperator(new Float64Array(size).fill(-1))
    await expect(inverse(operator, { preconditioner: negative }).matvec(normal('b', size))).rejects.toThrow(
      /the preconditioner is not positive definite/,
    )
    expect(() => inverse(operator, { preconditioner: DiagonalOperator([1]) })).toThrow(
      /the preconditioner is \[1, 1\], dense \[12, 12\]/,
    )
  })
})

describe('the Neumann series', () => {
  it('cut off is α Σ (I − αA)ᵏ', async () => {
    const [scale, terms] = [0.1, 3]
    const right = normal('b', size)
    let [power, expected] = [right, right.map((x) => scale * x)]
    for (let k = 1; k < terms; k++) {
      const image = timesDense(definite, power)
      power = power.map((x, i) => x - scale * image[i]!)
      expected = expected.map((x, i) => x + scale * power[i]!)
    }
    const cut = inverse(operator, { method: 'neumann', scale, terms })
    const { solution, iterations, residual } = await cut.solve(right)
    close(solution, expected, 1e-12)
    expect(iterations).toBe(terms)
    expect(residual).toBeCloseTo(await residualOf(operator, solution, right), 10)
  })

  it('diverges beyond 2 / the largest eigenvalue, and says so', async () => {
    const plain = DiagonalOperator([1, 4])
    const series = (scale: number): Promise<Float64Array> =>
      inverse(plain, { method: 'neumann', scale, maxIterations: 5000 }).matvec([1, 1])
    close(await series(0.49), [1, 0.25], 1e-4)
    await expect(series(0.51)).rejects.toThrow(
      /the series diverges: .* converges for positive definite matrices and 0 < scale < 2 \/ the largest eigenvalue, and the scale is 0.510/,
    )
  })
})

describe('curvature', () => {
  const net = Sequential(Linear(4, 5, { seed: 1 }), Tanh(), Linear(5, 3, { seed: 2 }))
  interface Samples {
    readonly x: Tensor
    readonly y: Tensor<'int32'>
  }
  const batch: Samples = { x: data('x', [9, 4]), y: labels(9, 3) }
  const loss = ({ x, y }: Samples): Tensor => crossEntropy(net(x), y)

  it.each([
    ['reference engine', referenceEngine(), 1e-9],
    ['onnxruntime', onnxruntime(), 1e-5],
  ] as const)('damped, is inverted on the %s', async (_on, engine, tolerance) => {
    const ggn = (await GGNOperator({ loss, data: batch, engine })).damped(1e-2)
    const right = normal('b', ggn.shape[0])
    const plain = await inverse(ggn, { tolerance }).solve(right)
    expect(await residualOf(ggn, plain.solution, right)).toBeLessThan(2 * tolerance)
    const { kflr, diagonal } = await evaluate(backward(loss(batch), { kflr: KFLR(), diagonal: DiagGGN() }), {
      engine,
    })
    for (const preconditioner of [
      inverse(KroneckerOperator(kflr).factorDamped(1e-2)),
      inverse(KroneckerOperator(kflr).damped(1e-2)),
      inverse(DiagonalOperator(diagonal).damped(1e-2)),
    ]) {
      const { solution, residual } = await inverse(ggn, { tolerance, preconditioner }).solve(right)
      expect(residual).toBeLessThanOrEqual(tolerance)
      close(solution, plain.solution, 1e3 * tolerance)
    }
  })

  it('takes fewer steps with Kronecker factors where inputs have scales of their own', async () => {
    const [layer, scales] = [Linear(6, 3, { seed: 1, bias: false }), tensor([[1, 3, 10, 30, 100, 300]])]
    const many = { x: data('x', [40, 6]), y: labels(40, 3) }
    const scaled = ({ x, y }: Samples): Tensor => crossEntropy(layer(x.mul(scales)).mul(0.01), y)
    const ggn = (await GGNOperator({ loss: scaled, data: many })).damped(1e-4)
    const { kflr } = await evaluate(backward(scaled(many), { kflr: KFLR() }), { engine: referenceEngine() })
    const preconditioner = inverse(KroneckerOperator(kflr).damped(1e-4))
    const right = normal('b', ggn.shape[0])
    const [plain, quick] = [
      await inverse(ggn).solve(right),
      await inverse(ggn, { preconditioner }).solve(right),
    ]
    expect(quick.iterations).toBeLessThan(plain.iterations / 2)
  })

  it('asks an engine for no more than its precision', async () => {
    const ggn = (await GGNOperator({ loss, data: batch, engine: onnxruntime() })).damped(1e-6)
    await expect(inverse(ggn, { tolerance: 1e-13 }).matvec(normal('b', ggn.shape[0]))).rejects.toMatchObject({
      code: 'no-solution',
    })
  })

  it('of a Hessian is found out where it is negative', async () => {
    const hessian = await HessianOperator({ loss, data: batch })
    await expect(inverse(hessian).matvec(normal('b', hessian.shape[0]))).rejects.toThrow(
      /HessianOperator is not positive definite: a direction has curvature .*; damp it, .* GGNOperator/,
    )
  })
})

it.each([
  [
    'not square',
    () => inverse(operatorOf(randomMatrix('w', 2, 3))),
    /inverse: dense is \[2, 3\] and must be square/,
  ],
  [
    'not symmetric',
    () => inverse(operatorOf(definite)),
    /inverse \(cg\): dense must be symmetric, and is not said to be/,
  ],
  [
    'not known exactly',
    () => inverse(operator, { method: 'exact' }),
    /is not known exactly; use the method "cg"/,
  ],
  [
    'a method that is none',
    () => inverse(operator, { method: 'lu' as never }),
    /method is "exact", "cg" or "neumann", not "lu"/,
  ],
  ['no tolerance', () => inverse(operator, { tolerance: 0 }), /tolerance must be between 0 and 1, not 0/],
  [
    'no iterations',
    () => inverse(operator, { maxIterations: 0 }),
    /maxIterations must be an integer of at least 1, not 0/,
  ],
  [
    'no terms',
    () => inverse(operator, { method: 'neumann', terms: 0 }),
    /terms must be an integer of at least 1/,
  ],
  [
    'no scale',
    () => inverse(operator, { method: 'neumann', scale: -1 }),
    /scale must be a positive number, not -1/,
  ],
])('an inverse is refused: %s', (_what, run, message) => {
  expect(run).toThrow(message)
})
