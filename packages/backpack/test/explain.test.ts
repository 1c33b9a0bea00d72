import { backward, crossEntropy, explain, mseLoss } from '@beyondgrad/autograd'
import { Conv2d, Flatten, Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { matmul, mul, square, sum, tanh, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  BatchGradient,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  Gradient,
  KFAC,
  SumGradSquared,
} from '../src/index.ts'
import { data, labels, of, weight } from './network.ts'

const net = Sequential(
  Conv2d(2, 3, 2, { seed: 1 }),
  Tanh(),
  Flatten(),
  Linear(12, 5, { seed: 2 }),
  Tanh(),
  Linear(5, 4, { seed: 3 }),
)
const loss = (): Tensor => crossEntropy(net(data('x', [6, 2, 3, 3])), labels(6, 4))

describe('explain', () => {
  it('says how parameters enter', () => {
    const { samples, parameters } = explain(loss(), {})
    expect(samples).toBe(6)
    expect(
      parameters.map(({ name, uses }) => [name, ...uses.map(({ op, form }) => `${op}: ${form}`)]),
    ).toEqual([
      ['0.weight', 'conv: conv'],
      ['0.bias', 'add: sum'],
      ['3.weight', 'matmul: matmul'],
      ['3.bias', 'add: sum'],
      ['5.weight', 'matmul: matmul'],
      ['5.bias', 'add: sum'],
    ])
  })

  it('counts columns and work, and what is refused says why', () => {
    const { quantities } = explain(
      loss(),
      {
        gradient: Gradient(),
        squares: SumGradSquared(),
        ggn: DiagGGN(),
        mc: DiagGGNMC({ samples: 2 }),
        hessian: DiagHessian(),
      },
      { limit: 15 },
    )
    const [gradient, squares, ggn, mc, hessian] = quantities
    expect(gradient).toMatchObject({ quantity: 'gradient', status: 'native' })
    expect(gradient!.ratio).toBeCloseTo(1, 1)
    expect(squares!.ratio).toBeGreaterThan(1)
    expect(squares!.columns).toBeUndefined()
    expect([ggn!.columns, mc!.columns]).toEqual([3, 2])
    expect(ggn!.work).toBeGreaterThan(mc!.work!)
    expect(ggn!.bytes).toBeGreaterThan(0)
    // C − 1 = 3 of the loss, 5 of the second Tanh; the first one's curvature stays a diagonal.
    expect(hessian).toMatchObject({ status: 'native', columns: 8 })
  })

  it('refuses exact columns beyond the limit by their number, as backward does', () => {
    const { quantities } = explain(loss(), { hessian: DiagHessian() }, { limit: 7 })
    expect(quantities[0]).toEqual({
      quantity: 'hessian',
      status: 'impossible',
      because:
        'needs 8 columns, and the limit is 7; raise it, or use a stochastic quantity such as DiagHessianMC or DiagGGNMC',
      columns: 8,
    })
    expect(() => backward(loss(), { hessian: DiagHessian() }, { limit: 7 })).toThrow(/more than 7 columns/)
  })

  it('names what falls back, and what samples that mix make impossible', () => {
    const [w, v] = [weight('w', [3, 2]), weight('v', [2])]
    const model = of([w, v], (x) => mul(tanh(matmul(x, square(w.value))), v.value))
    const plain = explain(mseLoss(model(data('x', [4, 3])), data('y', [4, 2])), {
      batch: BatchGradient(),
      g: Gradient(),
    })
    expect(plain.parameters[0]!.uses[0]).toMatchObject({ op: 'matmul', form: 'matmul', moves: false })
    expect(plain.quantities[0]).toMatchObject({ status: 'fallback' })
    expect(plain.quantities[0]!.because).toMatch(/^w is computed with before it meets "matmul"/)
    expect(plain.quantities[1]!.status).toBe('native')
    const mixed = model(data('x', [4, 3]))
    const centred = mixed.sub(sum(mixed, [0], { keep: true }))
    const { quantities } = explain(mseLoss(centred, data('y', [4, 2])), {
      batch: BatchGradient(),
      g: Gradient(),
    })
    expect(quantities[0]!.status).toBe('impossible')
    expect(quantities[0]!.because).toMatch(/mixes samples/)
    expect(quantities[1]!.status).toBe('native')
  })

  it('prints tables', () => {
    const text = String(explain(loss(), { gradient: Gradient(), kfac: KFAC() }))
    expect(text).toMatch(
      /^6 samples\n\nparameter +shape +meets the samples in +form\n0\.weight +\[3, 2, 2, 2\] +conv/,
    )
    expect(text).toMatch(/quantity +status +columns +gradients +MiB +because\ngradient +native +1\.0/)
    expect(text).toMatch(/kfac +native +1 /)
  })
})
