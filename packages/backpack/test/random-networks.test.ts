/**
 * @file Quantities of random expressions of data and parameters: whatever is not refused must be right. The seed is fixed;
 * SEED=… in the environment tries others.
 */
import {
  backward,
  gradient,
  hessian,
  jacobian,
  mseLoss,
  type Parameter,
  parameter,
} from '@beyondgrad/autograd'
import { moduleOf } from '@beyondgrad/nn'
import {
  BeyondgradError,
  evaluate,
  type NDArray,
  referenceEngine,
  reshape,
  sizeOf,
  slice,
  tensor,
  type Tensor,
  topologicalOrder,
  vmap,
} from '@beyondgrad/tensor'
import { checkExtension, definitions, jumping, operations, randomExpressions } from '@beyondgrad/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchGradient, BatchL2, DiagGGN, DiagHessian, SumGradSquared, Variance } from '../src/index.ts'
import { close } from './closeness.ts'
import { numbers } from './network.ts'

const engine = referenceEngine()

const quantities = {
  'batch-gradient': BatchGradient(),
  'batch-l2': BatchL2(),
  'sum-grad-squared': SumGradSquared(),
  variance: Variance(),
  'diag-ggn': DiagGGN(),
  'diag-hessian': DiagHessian(),
}
type Name = keyof typeof quantities
const names = Object.keys(quantities) as Name[]

const smooth = operations.filter((name) => !jumping.includes(name))
const runs = (numRuns: number): fc.Parameters<unknown> => ({
  numRuns,
  seed: Number(process.env.SEED ?? 20_261),
})

const data = (name: string, shape: readonly number[]): Tensor =>
  tensor(numbers(name, shape), { shape, dtype: 'float32' })

const weights = (seed: number, shapes: readonly (readonly number[])[]): Parameter[] =>
  shapes.map((shape, i) =>
    parameter(`p${i}`, { shape, dtype: 'float32', data: numbers(`${seed}.${i}`, shape, 0.7) }),
  )

/** How often each quantity was right, and how often it was refused. */
class Tally {
  readonly right = new Map<Name, number>()
  readonly refused = new Map<Name, number>()

  async count(name: Name, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt()
      this.right.set(name, (this.right.get(name) ?? 0) + 1)
    } catch (error) {
      const fair = error instanceof BeyondgradError && ['unsupported', 'mixed-samples'].includes(error.code)
      if (!fair) throw error
      this.refused.set(name, (this.refused.get(name) ?? 0) + 1)
    }
  }
}

describe('random networks', () => {
  it('lifted from one sample to a batch: quantities are what brute force says', async () => {
    const tally = new Tally()
    const property = fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 5 }), async (seed, steps) => {
      const shape = [[4], [2, 3, 3], [3, 2]][seed % 3]!
      const parameters = weights(seed, [[3], [2, 3], [2, 1, 2]])
      const one = (x: Tensor): Tensor => {
        const values = parameters.map((p) => p.value)
        const made = randomExpressions([x, ...values], {
          seed,
          steps,
          weights: values,
          largest: 80,
          operations: smooth,
        })
        return slice(reshape(made.at(-1)!, [-1]), 0, 0, 3)
      }
      const example = one(data('x', shape))
      const order = topologicalOrder([example])
      const used = parameters.filter((p) => order.includes(p.value))
      if (used.length === 0) return
      for (const samples of [1, 3]) {
        const problem = {
          model: moduleOf((x: Tensor) => vmap(one)(x), used),
          loss: (output: Tensor, goal: Tensor) => mseLoss(output, goal, { reduction: 'sum' }),
          inputs: data('x', [samples, ...shape]),
          targets: data('y', [samples, ...example.shape]),
        }
        for (const name of names) {
          await tally.count(name, () =>
            checkExtension(quantities[name], { ...problem, definition: definitions[name] }),
          )
        }
      }
    })
    await fc.assert(property, runs(150))
    expect(tally.right.get('batch-gradient')).toBeGreaterThan(200)
    expect(tally.right.get('diag-hessian')).toBeGreaterThan(80)
    expect(tally.refused.get('batch-gradient') ?? 0).toBeLessThan(10)
  })

  it('with the samples on any axis, mixed or not: quantities are what the rows of the loss say', async () => {
    const tally = new Tally()
    const property = fc.asyncProperty(fc.nat(1e6), async (seed) => {
      const samples = 1 + (seed % 4)
      const shape = [
        [samples, 4],
        [samples, 2, 3],
        [samples, 2, 2, 3],
        [2, samples, 3],
      ][(seed >> 2) % 4]!
      const parameters = weights(seed, [[3], [2, 3], [2, 1, 2], [samples, 2]])
      const values = parameters.map((p) => p.value)
      const x = data('x', shape)
      const made = randomExpressions([x, ...values], {
        seed,
        steps: 7,
        weights: values,
        largest: 120,
        operations: smooth,
      })
      const output = made.filter((t) => t.shape[0] === samples && sizeOf(t.shape) > 0).at(-1)
      if (output === undefined || sizeOf(output.shape) > 24) return
      const order = topologicalOrder([output])
      const used = parameters.filter((p) => order.includes(p.value))
      if (used.length === 0) return
      const goal = data('y', output.shape)
      const loss = mseLoss(output, goal, { reduction: 'sum' })
      for (const name of names) {
        await tally.count(name, async () => {
          const { found } = await evaluate(backward(loss, { found: quantities[name] }), { engine })
          for (const p of used) close(found.get(p).data, await fromRows[name](output, goal, p), 1e-8, name)
        })
      }
    })
    await fc.assert(property, runs(700))
    expect(tally.right.get('batch-gradient')).toBeGreaterThan(100)
    expect(tally.right.get('diag-hessian')).toBeGreaterThan(60)
  })
})

const error = (output: Tensor, goal: Tensor): Tensor => mseLoss(output, goal, { reduction: 'sum' })

/** The gradient of every row's own loss. */
async function rowGradients(output: Tensor, goal: Tensor, p: Parameter): Promise<number[][]> {
  const rows = Array.from({ length: output.shape[0]! }, (_, n) => {
    const own = (t: Tensor): Tensor => slice(t, 0, n, n + 1)
    return gradient(error(own(output), own(goal)), [p.value])[0]!
  })
  const values: readonly NDArray[] = await evaluate(rows, { engine })
  return values.map(({ data: row }) => Array.from(row))
}

const perEntry = (rows: readonly number[][], f: (column: readonly number[]) => number): number[] =>
  rows[0]!.map((_, i) => f(rows.map((row) => row[i]!)))
const total = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0)

const fromRows: Readonly<Record<Name, (output: Tensor, goal: Tensor, p: Parameter) => Promise<number[]>>> = {
  'batch-gradient': async (...at) => (await rowGradients(...at)).flat(),
  'batch-l2': async (...at) => (await rowGradients(...at)).map((row) => total(row.map((g) => g * g))),
  'sum-grad-squared': async (...at) => perEntry(await rowGradients(...at), (g) => total(g.map((x) => x * x))),
  variance: async (...at) =>
    perEntry(await rowGradients(...at), (g) => {
      const mean = total(g) / g.length
      return total(g.map((x) => (x - mean) ** 2)) / g.length
    }),
  // The loss of every output is its square: H is 2.
  'diag-ggn': async (output, _goal, p) => {
    const size = sizeOf(p.shape)
    const { data: j } = await jacobian(output, p.value).read()
    const rows = Array.from({ length: j.length / size }, (_, c) =>
      Array.from(j.slice(c * size, (c + 1) * size)),
    )
    return perEntry(rows, (column) => 2 * total(column.map((x) => x * x)))
  },
  'diag-hessian': async (output, goal, p) => {
    const size = sizeOf(p.shape)
    const { data: h } = await hessian(error(output, goal), p.value).read()
    return Array.from({ length: size }, (_, i) => h[i * size + i]!)
  },
}
