import { backward, gradient, jacobian, parameter } from '@beyondgrad/autograd'
import { rows } from '@beyondgrad/nn'
import { BeyondgradError, compile, evaluate, type NDArray, referenceEngine, tensor } from '@beyondgrad/tensor'
import type { Problem } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { DiagGGN, DiagGGNMC, DiagHessian, DiagHessianMC, SumGradSquared } from '../src/index.ts'
import { plain } from './layer-networks.ts'

const engine = referenceEngine()

async function diagonals({ model, loss, inputs, targets }: Problem, samples: number, seed: number) {
  const whole = loss(model(inputs), targets)
  const { exact, drawn } = await evaluate(
    backward(whole, { exact: DiagGGN(), drawn: DiagGGNMC({ samples, seed }) }),
    { engine },
  )
  const flat = (map: typeof exact): number[] => [...map].flatMap(([, { data }]) => Array.from(data))
  return { exact: flat(exact), drawn: flat(drawn) }
}

const norm = (x: readonly number[]): number => Math.hypot(...x)

/** Root of the mean square error over several seeds, relative. */
async function error(problem: Problem, samples: number): Promise<number> {
  let total = 0
  const seeds = 16
  for (let seed = 0; seed < seeds; seed++) {
    const { exact, drawn } = await diagonals(problem, samples, seed)
    total += (norm(drawn.map((x, i) => x - exact[i]!)) / norm(exact)) ** 2
  }
  return Math.sqrt(total / seeds)
}

const oneOfEach = ['cross-entropy', 'mse', 'bce-with-logits'].map((draws) =>
  plain.find((network) => network.draws === draws)!,
)

describe('DiagGGNMC', () => {
  it.each(oneOfEach)('comes to DiagGGN with the root of the number of draws: $name', async ({ problem }) => {
    const batch = problem(4)
    const [few, many] = [await error(batch, 8), await error(batch, 8 * 64)]
    // 64 times the draws: an eighth of the error, give or take what 16 seeds leave to chance.
    expect(few / many).toBeGreaterThan(8 / 1.7)
    expect(few / many).toBeLessThan(8 * 1.7)
    expect(many).toBeLessThan(0.1)
  })

  it('draws the same numbers for the same seed, and others for another', async () => {
    const problem = plain[1]!.problem(4)
    const [first, again, other] = [
      await diagonals(problem, 2, 3),
      await diagonals(problem, 2, 3),
      await diagonals(problem, 2, 4),
    ]
    expect(again.drawn).toEqual(first.drawn)
    expect(other.drawn).not.toEqual(first.drawn)
  })

  it('draws anew at every step of a compiled function, and the same again when the step comes again', async () => {
    const { model, loss, inputs, targets } = plain[1]!.problem(4)
    let step = 0
    const run = compile(
      (x: typeof inputs, y: typeof targets) => backward(loss(model(x), y), { mc: DiagGGNMC() }),
      { engine, step: () => step },
    )
    const at = async (n: number): Promise<number[]> => {
      step = n
      const values = await evaluate({ inputs, targets })
      const { mc } = await run(values.inputs, values.targets)
      return Array.from(mc.get('0.weight').data)
    }
    const [zero, one, zeroAgain] = [await at(0), await at(1), await at(0)]
    expect(one).not.toEqual(zero)
    expect(zeroAgain).toEqual(zero)
  })

  it('draws for the sample, whatever the size of the batch that it is in', async () => {
    const { model, loss, inputs, targets } = plain.find(({ name }) => name.endsWith('(sum)'))!.problem(4)
    const values = await evaluate({ inputs, targets })
    const of = async (count: number): Promise<number[]> => {
      const which = Array.from({ length: count }, (_, i) => i)
      const part = {
        model,
        loss,
        inputs: tensor(rows(values.inputs, which)),
        targets: tensor(rows(values.targets as NDArray, which)),
      }
      return (await diagonals(part, 3, 1)).drawn
    }
    const sums = [await of(1), await of(2), await of(4)]
    // With more samples there is more to add up: nothing becomes smaller.
    for (const [i, x] of sums[0]!.entries()) {
      expect(sums[1]![i]! - x).toBeGreaterThanOrEqual(-1e-12)
      expect(sums[2]![i]! - sums[1]![i]!).toBeGreaterThanOrEqual(-1e-12)
    }
  })

  it('is computed once for equal options, and apart for different ones', () => {
    const { model, loss, inputs, targets } = plain[0]!.problem(3)
    const results = backward(loss(model(inputs), targets), {
      a: DiagGGNMC({ seed: 1 }),
      b: DiagGGNMC({ seed: 1, samples: 1 }),
      c: DiagGGNMC({ seed: 2 }),
    })
    // Equal expressions are one in the execution.
    for (const [parameter, { hash }] of results.a) {
      expect(results.b.get(parameter).hash).toBe(hash)
      expect(results.c.get(parameter).hash).not.toBe(hash)
    }
  })

  it('refuses a number of draws that is none', () => {
    expect(() => DiagGGNMC({ samples: 0 })).toThrow(BeyondgradError)
    expect(() => DiagGGNMC({ samples: 1.5 })).toThrow('samples must be a positive integer, not 1.5')
  })

  it('is not the empirical Fisher: labels are the model’s, not the data’s', async () => {
    const { model, loss, inputs, targets } = plain[0]!.problem(4)
    const whole = loss(model(inputs), targets)
    const { mc, fisher } = await evaluate(
      backward(whole, { mc: DiagGGNMC({ samples: 200 }), fisher: SumGradSquared() }),
      { engine },
    )
    const scaled = fisher.get('0.weight').data.map((x) => x * 4)
    const difference = mc.get('0.weight').data.map((x, i) => Math.abs(x - scaled[i]!))
    expect(Math.max(...difference)).toBeGreaterThan(1e-2)
  })
})

describe('DiagHessianMC', () => {
  it('is the mean of z ⊙ H z, with the variance that its source gives', async () => {
    const { model, loss, inputs, targets } = plain[1]!.problem(3)
    const whole = loss(model(inputs), targets)
    const draws = 400
    const { exact, drawn } = await evaluate(
      backward(whole, { exact: DiagHessian(), drawn: DiagHessianMC({ samples: draws, seed: 2 }) }),
      { engine },
    )
    // The joint Hessian row of an entry of the first parameter, beside its diagonal.
    const parameters = [...model.parameters].map(([p]) => p)
    const slopes = gradient(whole, model.parameters)
    const first = parameters[0]!
    const rowsOf = await evaluate(
      parameters.map((p) => jacobian(slopes.get(first), p.value)),
      { engine },
    )
    const size = first.shape.reduce((a, b) => a * b, 1)
    for (let i = 0; i < size; i++) {
      let beside = 0
      rowsOf.forEach(({ data }, at) => {
        const width = data.length / size
        for (let j = 0; j < width; j++) if (at > 0 || j !== i) beside += data[i * width + j]! ** 2
      })
      const error = Math.abs(drawn.get(first).data[i]! - exact.get(first).data[i]!)
      expect(error).toBeLessThan(5 * Math.sqrt(beside / draws))
    }
  })

  it('needs no samples: a network that mixes them, and a loss that is none', async () => {
    const w = parameter('w', { shape: [2], dtype: 'float32', data: Float32Array.of(0.5, -1) })
    // H = diag(12 w²) exactly, whatever the signs.
    const { found } = await evaluate(
      backward(w.value.pow(4).sum(), { found: DiagHessianMC({ samples: 1, seed: 1 }) }),
      { engine },
    )
    expect([...found.get(w).data]).toEqual([3, 12])
  })
})
