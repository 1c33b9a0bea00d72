/** @file HBP: its named relatives, where it is exact, and what it refuses. */
import {
  backward,
  type KroneckerFactors,
  type Module,
  mseLoss,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { Conv1d, Embedding, Flatten, Linear, MaxPool1d, ReLU, Sequential, Tanh } from '@beyondgrad/nn'
import { evaluate, type Evaluated, intTensor, referenceEngine, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { HBP, type HBPOptions, HMP, KFAC, KFLR, KFRA, PCHMP, GGNMP } from '../src/index.ts'
import { close } from './closeness.ts'
import { placedBlock, rowsOfFactors, units } from './dense-blocks.ts'
import { data, of, residual, weight } from './network.ts'

const engine = referenceEngine()

type Found = Evaluated<ParameterMap<KroneckerFactors>>

function same(found: Found, expected: Found): void {
  expect(found.names).toEqual(expected.names)
  for (const [parameter, { output, input }] of expected) {
    close(found.get(parameter).output.data, output.data)
    expect(found.get(parameter).input === undefined).toBe(input === undefined)
    if (input) close(found.get(parameter).input!.data, input.data)
  }
}

const smooth = (): Module =>
  Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 3, { seed: 2 }), Tanh(), Linear(3, 2, { seed: 3 }))
const kinked = (): Module =>
  Sequential(Conv1d(2, 3, 2, { seed: 1 }), ReLU(), MaxPool1d(2), Flatten(), Linear(6, 2, { seed: 3 }))

const lossOf = (model: Module, input: readonly number[]): Tensor =>
  mseLoss(model(data('x', input)), data('y', [input[0]!, 2]))

describe('HBP', () => {
  it.each(['expand', 'reduce', 'backpack'] as const)(
    'has KFLR, KFAC and KFRA as relatives: %s',
    async (mode) => {
      const loss = lossOf(kinked(), [3, 2, 5])
      const found = await evaluate(
        backward(loss, {
          hbp: HBP({ mode }),
          kflr: KFLR({ mode }),
          drawn: HBP({ mode, loss: 'mc', samples: 3, seed: 4 }),
          kfac: KFAC({ mode, samples: 3, seed: 4 }),
          averaged: HBP({ mode, transport: 'average' }),
          kfra: KFRA({ mode }),
        }),
        { engine },
      )
      same(found.hbp, found.kflr)
      same(found.drawn, found.kfac)
      same(found.averaged, found.kfra)
    },
  )

  const kinds = [
    { curvature: 'ggn', product: GGNMP },
    { curvature: 'hessian', product: HMP },
    { curvature: 'pch-clip', product: PCHMP },
    {
      curvature: 'pch-abs',
      product: (options: Parameters<typeof PCHMP>[0]) => PCHMP({ ...options, eigenvalues: 'abs' }),
    },
  ] as const

  it.each(
    kinds.flatMap((kind) => (['sqrt', 'average'] as const).map((transport) => ({ ...kind, transport }))),
  )(
    'is the block itself for one sample: $curvature, $transport',
    async ({ curvature, product, transport }) => {
      const loss = lossOf(smooth(), [1, 3])
      const { factors, rows, blocks } = await evaluate(
        backward(loss, {
          factors: HBP({ curvature, transport }),
          rows: rowsOfFactors,
          blocks: product({ vectors: units }),
        }),
        { engine },
      )
      for (const [parameter, { data }] of blocks)
        close(placedBlock(factors.get(parameter), rows.get(parameter)), data)
    },
  )

  it('counts what a scale bends in a batch of one, where it is as large as the sample', async () => {
    const scale = weight('scale', [3], 1)
    const model = Sequential(
      of([scale], (x) => x.mul(scale.value).tanh()),
      Linear(3, 2, { seed: 1 }),
    )
    for (const eigenvalues of ['abs', 'clip'] as const) {
      const { factors, dense } = await evaluate(
        backward(lossOf(model, [1, 3]), {
          factors: HBP({ curvature: `pch-${eigenvalues}` }),
          dense: PCHMP({ vectors: units, eigenvalues }),
        }),
        { engine },
      )
      close(factors.get('0.scale').output.data, dense.get('0.scale').data)
    }
  })

  it('adds the residuals of all samples: the averaged Hessian differs from the averaged GGN where tanh bends', async () => {
    const loss = lossOf(smooth(), [3, 3])
    const { ggn, clipped, full } = await evaluate(
      backward(loss, {
        ggn: HBP({ transport: 'average' }),
        clipped: HBP({ transport: 'average', curvature: 'pch-clip' }),
        full: HBP({ transport: 'average', curvature: 'hessian' }),
      }),
      { engine },
    )
    const trace = (found: Found, name: string): number => {
      const { data, shape } = found.get(name).output
      return Array.from({ length: shape[0]! }, (_, i) => data[i * shape[0]! + i]!).reduce((a, b) => a + b, 0)
    }
    expect(trace(clipped, '0.weight')).toBeGreaterThan(trace(ggn, '0.weight'))
    expect(trace(clipped, '0.weight')).toBeGreaterThan(trace(full, '0.weight'))
    // Nothing bends behind the last layer.
    same(
      await evaluate(backward(loss, { a: HBP({ transport: 'average' }) }), { engine }).then(({ a }) => a),
      ggn,
    )
    close(full.get('4.weight').output.data, ggn.get('4.weight').output.data)
  })

  it('makes A of the means of the inputs alone', async () => {
    const input = data('x', [3, 3])
    const model = Sequential(Linear(3, 2, { seed: 1 }))
    const loss = mseLoss(model(input), data('y', [3, 2]))
    const { found, mean } = await evaluate(
      { found: backward(loss, { found: HBP({ inputs: 'mean' }) }).found, mean: input.mean([0]) },
      { engine },
    )
    const outer = [...mean.data].flatMap((a) => [...mean.data].map((b) => a * b))
    close(found.get('0.weight').input!.data, outer)
  })

  it('handles residual networks by columns, and refuses them by the averaged matrix', async () => {
    const model = Sequential(
      Linear(3, 3, { seed: 1 }),
      residual(Sequential(Tanh(), Linear(3, 3, { seed: 2 }), Tanh())),
      Linear(3, 2, { seed: 3 }),
    )
    const loss = lossOf(model, [1, 3])
    const { factors } = await evaluate(backward(loss, { factors: HBP({ curvature: 'hessian' }) }), { engine })
    expect(factors.names).toHaveLength(6)
    expect(() => backward(loss, { factors: HBP({ transport: 'average' }) })).toThrow(/branches at op/)
  })

  it('says which choices there are', () => {
    const wrong: readonly (readonly [HBPOptions, string])[] = [
      [
        { curvature: 'fisher' as never },
        'curvature is one of "ggn", "hessian", "pch-abs", "pch-clip", not "fisher"',
      ],
      [{ loss: 'sum' as never }, 'loss is one of "exact", "mc", not "sum"'],
      [{ transport: 'root' as never }, 'transport is one of "sqrt", "average", not "root"'],
      [{ inputs: 'median' as never }, 'inputs is one of "second-moment", "mean", not "median"'],
      [{ samples: 0 }, 'samples must be a positive integer, not 0'],
    ]
    for (const [options, message] of wrong) expect(() => HBP(options)).toThrow(`HBP: ${message}`)
  })

  it('refuses the means of what is read by index', () => {
    const model = Embedding(4, 2, { seed: 1 })
    const loss = mseLoss(model(intTensor([0, 2])), data('y', [2, 2]))
    expect(() => backward(loss, { factors: HBP({ inputs: 'mean' }) })).toThrow(/read by index/)
  })
})
