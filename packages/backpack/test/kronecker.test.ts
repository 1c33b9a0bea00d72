/** @file Kronecker factors and square roots against dense blocks and where they are exact. */
import { backward, type Module, mseLoss, type Parameter } from '@beyondgrad/autograd'
import { Conv2d, ConvTranspose1d, Flatten, Linear, moduleOf, Sequential } from '@beyondgrad/nn'
import { cast, gather, evaluate, referenceEngine, reshape, type Tensor } from '@beyondgrad/tensor'
import { bruteForce } from '@beyondgrad/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KFAC, KFLR, KFRA, SqrtGGN, SqrtGGNMC } from '../src/index.ts'
import { close } from './closeness.ts'
import { dense, type Factors, gramOf, placedBlock, rowsOfFactors } from './dense-blocks.ts'
import { plain } from './layer-networks.ts'
import { networks } from './networks.ts'
import { classifier, data, type Network, of, regression, residual, weight } from './network.ts'

const engine = referenceEngine()

async function factorsOf(
  network: Network,
  samples: number,
  extension: ReturnType<typeof KFLR>,
): Promise<readonly (readonly [Parameter, Factors, Float64Array])[]> {
  const problem = network.problem(samples)
  const { model, loss, inputs, targets } = problem
  const { result } = await evaluate(backward(loss(model(inputs), targets), { result: extension }), { engine })
  const at = await bruteForce(problem)
  return Promise.all(
    [...result].map(
      async ([parameter, factors]) => [parameter, factors, (await at.ggn(parameter)).data] as const,
    ),
  )
}

describe('where Kronecker factors are exact', () => {
  it('for one sample and one position, whatever the net and the mode', async () => {
    const network = classifier('net', [3], 3, () =>
      Sequential(
        Linear(3, 4, { seed: 1 }),
        moduleOf((x) => x.tanh()),
        Linear(4, 3, { seed: 2 }),
      ),
    )
    for (const mode of ['expand', 'reduce', 'backpack'] as const) {
      const all = await factorsOf(network, 1, KFLR({ mode }))
      expect(all.length).toBe(4)
      for (const [, factors, block] of all) close(dense(factors), block)
    }
  })

  it('for a convolution whose kernel is the whole input, in every mode', async () => {
    const network = regression('conv', [2, 3, 3], [2], () =>
      Sequential(Conv2d(2, 2, 3, { seed: 1 }), Flatten()),
    )
    for (const mode of ['expand', 'reduce', 'backpack'] as const) {
      for (const [, factors, block] of await factorsOf(network, 4, KFLR({ mode })))
        close(dense(factors), block)
    }
  })

  /** Widths of the layers of a net, samples, and positions. */
  const deepLinear = fc.record({
    widths: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 4 }),
    samples: fc.integer({ min: 1, max: 4 }),
    positions: fc.integer({ min: 1, max: 3 }),
    reduction: fc.constantFrom('mean', 'sum'),
  })
  const layersOf = (widths: readonly number[]): Module[] =>
    widths.slice(1).map((width, i) => Linear(widths[i]!, width, { seed: i + 1, bias: false }))

  it('expand: deep linear nets with a squared error at each position', async () => {
    const property = fc.asyncProperty(deepLinear, async ({ widths, samples, positions, reduction }) => {
      const network = regression(
        'linear',
        [positions, widths[0]!],
        [positions, widths.at(-1)!],
        () => Sequential(...layersOf(widths)),
        { reduction },
      )
      const all = await factorsOf(network, samples, KFLR())
      expect(all.length).toBe(widths.length - 1)
      for (const [, factors, block] of all) close(dense(factors), block)
    })
    await fc.assert(property, { numRuns: 30, seed: 3 })
  })

  it('reduce: deep linear nets whose positions are averaged or added before a squared error', async () => {
    const pool = fc.constantFrom<(x: Tensor) => Tensor>(
      (x) => x.mean([1]),
      (x) => x.sum([1]),
    )
    const property = fc.asyncProperty(deepLinear, pool, async (net, pooled) => {
      const { widths, samples, positions, reduction } = net
      const model = (): Module => Sequential(...layersOf(widths), moduleOf(pooled))
      const network = regression('pooled', [positions, widths[0]!], [widths.at(-1)!], model, { reduction })
      const all = await factorsOf(network, samples, KFLR({ mode: 'reduce' }))
      expect(all.length).toBe(widths.length - 1)
      for (const [, factors, block] of all) close(dense(factors), block)
    })
    await fc.assert(property, { numRuns: 30, seed: 3 })
  })

  it('for biases and scales the block itself, for any net', async () => {
    const network = regression('scales', [3], [3], () => {
      const [s, b] = [weight('s', [3]), weight('b', [])]
      return of([s, b], (x) => x.mul(s.value).tanh().add(b.value).tanh())
    })
    for (const [, factors, block] of await factorsOf(network, 3, KFLR())) {
      expect(factors.input).toBeUndefined()
      close(factors.output.data, block)
    }
  })

  it('for a table that one sample reads once, its rows on the diagonal', async () => {
    const network = regression('table', [1], [2], () => {
      const table = weight('table', [3, 2])
      return of([table], (x) =>
        reshape(gather(table.value, cast(x.mul(0).add(1), 'int32')), [x.shape[0]!, 2]),
      )
    })
    const [[, { output, input }, block]] = (await factorsOf(network, 1, KFLR())) as [
      readonly [Parameter, Factors, Float64Array],
    ]
    expect([...input!.data]).toEqual([0, 1, 0])
    // The parameter is [rows, width], so that the block is A ⊗ B.
    const [a, b] = [input!.data, output.data]
    const expected = Float64Array.from({ length: 36 }, (_, i) => {
      const [p, q] = [Math.floor(i / 6), i % 6]
      const [row, column] = [Math.floor(p / 2), Math.floor(q / 2)]
      return row === column ? a[row]! * b[(p % 2) * 2 + (q % 2)]! : 0
    })
    close(block, expected)
  })

  it('KFRA is KFLR where all samples have one Jacobian, and where what branches joins again', async () => {
    const linear = regression('linear', [3], [2], () =>
      Sequential(
        Linear(3, 4, { seed: 1 }),
        moduleOf((x: Tensor) => x.add(x.slice(1, 0, 4).mul(0.5))),
        Linear(4, 2, { seed: 2 }),
      ),
    )
    const [exact, averaged] = [await factorsOf(linear, 3, KFLR()), await factorsOf(linear, 3, KFRA())]
    exact.forEach(([, factors], i) => {
      close(averaged[i]![1].output.data, factors.output.data)
      if (factors.input) close(averaged[i]![1].input!.data, factors.input.data)
    })
    const branching = regression('residual', [3], [3], () => residual(Linear(3, 3, { seed: 1 })))
    const { model, loss, inputs, targets } = branching.problem(2)
    const before = weight('s', [3])
    const whole = loss(model(inputs.mul(before.value)), targets)
    expect(() => backward(whole, { kfra: KFRA() })).toThrow(/branches at op .* use KFLR/)
  })

  it.each(['cross-entropy', 'mse', 'bce-with-logits'] as const)(
    'drawn factors of one sample approach its block with the root of the number of draws: %s',
    async (draws) => {
      const network = plain.find((each) => each.draws === draws)!
      const seeds = Array.from({ length: 12 }, (_, seed) => seed)
      /** Root of the mean square error over the seeds, relative. */
      const error = async (samples: number): Promise<number> => {
        const found = await Promise.all(
          seeds.map(async (seed) => factorsOf(network, 1, KFAC({ samples, seed }))),
        )
        const [wrong, right] = found.flat().reduce(
          ([difference, size], [, factors, block]) => {
            const estimate = dense(factors)
            return [
              difference + block.reduce((sum, x, i) => sum + (estimate[i]! - x) ** 2, 0),
              size + block.reduce((sum, x) => sum + x ** 2, 0),
            ] as const
          },
          [0, 0] as readonly [number, number],
        )
        return Math.sqrt(wrong / right)
      }
      const [few, many] = [await error(16), await error(16 * 16)]
      // 16 times the draws: a quarter of the error, give or take what 12 seeds leave to chance.
      expect(few / many).toBeGreaterThan(4 / 1.7)
      expect(few / many).toBeLessThan(4 * 1.7)
      expect(many).toBeLessThan(0.2)
    },
  )

  it('drawn factors of a batch approach the exact ones', async () => {
    const network = classifier('net', [3], 4, () => Linear(3, 4, { seed: 1 }))
    const [exact] = await factorsOf(network, 3, KFLR())
    const [drawn] = await factorsOf(network, 3, KFAC({ samples: 20_000, seed: 3 }))
    close(drawn![1].output.data, exact![1].output.data, 0.03)
    close(drawn![1].input!.data, exact![1].input!.data)
  })
})

/** One-sample networks whose weights are laid out in every way there is; one position each. */
const layouts: readonly { readonly name: string; readonly model: () => Module }[] = [
  { name: 'a weight [O, I]', model: () => Linear(3, 3, { seed: 1 }) },
  {
    name: 'a weight [I, O]',
    model: () => {
      const w = weight('w', [3, 3])
      return of([w], (x) => x.matmul(w.value))
    },
  },
  {
    name: 'a transposed convolution in groups',
    model: () =>
      Sequential(
        Linear(3, 4, { seed: 2 }),
        moduleOf((x: Tensor) => x.reshape([-1, 4, 1])),
        ConvTranspose1d(4, 4, 1, { groups: 2, seed: 3 }),
        Flatten(),
      ),
  },
  {
    name: 'a table',
    model: () => {
      const table = weight('table', [2, 2])
      const read = (x: Tensor): Tensor => gather(table.value, cast(x.slice(1, 0, 1).mul(0).add(1), 'int32'))
      return of([table], (x) => reshape(read(x), [x.shape[0]!, 2]))
    },
  },
]

describe('placeKronecker says which entry of the parameter is which row', () => {
  it.each(layouts)('$name', async ({ model }) => {
    const net = model()
    const inputs = data('x', [1, 3])
    const targets = data('y', [...net(inputs).shape])
    const problem = { model: net, loss: mseLoss, inputs, targets }
    const { factors, rows } = await evaluate(
      backward(mseLoss(net(inputs), targets), { factors: KFLR(), rows: rowsOfFactors }),
      { engine },
    )
    const at = await bruteForce(problem)
    for (const [parameter, order] of rows) {
      expect(order.shape).toEqual(parameter.shape)
      close(placedBlock(factors.get(parameter), order), (await at.ggn(parameter)).data)
    }
  })
})

describe('what has no Kronecker factors says so', () => {
  it('a part of a parameter', () => {
    const w = weight('w', [6, 70, 20])
    const model = of([w], (x) => x.matmul(w.value.slice(0, 0, 1).reshape([70, 20])))
    const loss = mseLoss(model(data('x', [2, 70])), data('y', [2, 20]))
    expect(() => backward(loss, { kflr: KFLR() })).toThrow(/only a part of parameter "w"/)
  })
  it('a mode that is none', () => {
    expect(() => KFAC({ mode: 'other' as never })).toThrow(/mode is "expand", "reduce" or "backpack"/)
    expect(() => KFAC({ samples: 0 })).toThrow(/positive integer/)
  })
})

describe('square roots', () => {
  it.each(
    networks.filter(({ indefinite }) => !indefinite).map((network) => [network.name, network] as const),
  )('V Vᵀ of %s is the GGN block', async (_name, network) => {
    const problem = network.problem(2)
    const { model, loss, inputs, targets } = problem
    const results = backward(loss(model(inputs), targets), {
      root: SqrtGGN(),
      drawn: SqrtGGNMC({ samples: 2 }),
    })
    const { root, drawn } = await evaluate(results, { engine })
    const at = await bruteForce(problem)
    for (const [parameter, columns] of root) {
      close(gramOf(columns), (await at.ggn(parameter)).data, 1e-8)
      expect(columns.shape.slice(1)).toEqual([2, ...parameter.shape])
      expect(drawn.get(parameter).shape.slice(1)).toEqual([2, ...parameter.shape])
    }
  })
})
