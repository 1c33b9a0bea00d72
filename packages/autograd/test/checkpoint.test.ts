import {
  capture,
  checkpoint,
  evaluate,
  gather,
  intTensor,
  liveBytes,
  matmul,
  mul,
  tanh,
  type Tensor,
  tensor,
  vmap,
  workOf,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  backward,
  defineExtension,
  type Extension,
  ggnFlow,
  gradient,
  gradientFlow,
  hessian,
  mseLoss,
  type ParameterMap,
} from '../src/index.ts'
import { target, v, w, x } from './networks.ts'

const quantity = (name: string, hessian: boolean): Extension<ParameterMap<Tensor>> =>
  hessian
    ? defineExtension({ name, flow: ggnFlow(), parameter: ({ contribution }) => contribution.sumOfSquares() })
    : defineExtension({
        name,
        flow: gradientFlow,
        parameter: ({ contribution }) => contribution.materialize(),
      })

/** A deep net that is kept at every `every`-th layer. */
function deep(depth: number, every: number, input: Tensor = x): Tensor {
  let h = tanh(matmul(input, w.value))
  for (let i = 1; i < depth; i++) {
    h = tanh(mul(h, 1.1))
    if (i % every === 0) h = checkpoint(h)
  }
  return mseLoss(matmul(h, v.value), target)
}

const graphOf = (loss: Tensor) => capture(() => ({ gradients: gradient(loss) }), 'test').graph

describe('checkpoint', () => {
  it('changes no digit of anything', async () => {
    const extensions = { each: quantity('each', false), ggn: quantity('ggn', true) }
    const read = async (loss: Tensor) => {
      const { found, slope } = await evaluate({ found: backward(loss, extensions), slope: gradient(loss) })
      return [found.each, found.ggn, slope].flatMap((map) => [...map].flatMap(([, { data }]) => [...data]))
    }
    const [plain, kept] = [await read(deep(12, Infinity)), await read(deep(12, 3))]
    expect(kept).toEqual(plain)
    expect(plain.some((value) => value !== 0)).toBe(true)
  })

  it('keeps checkpoints and one stretch, for about another forward pass', () => {
    const big = tensor(new Float32Array(2000).fill(0.1), { shape: [1000, 2], dtype: 'float32' })
    const loss = (every: number): Tensor => {
      let h = matmul(big, w.value)
      for (let i = 1; i <= 64; i++) {
        h = tanh(h)
        if (i % every === 0) h = checkpoint(h)
      }
      return h.square().mean()
    }
    const [plain, kept] = [graphOf(loss(Infinity)), graphOf(loss(8))]
    const one = 4 * 1000 * 3
    expect(liveBytes(plain)).toBeGreaterThan(60 * one)
    // Eight checkpoints, the eight values between two, and what is in flight.
    expect(liveBytes(kept)).toBeLessThan(26 * one)
    expect(workOf(kept)).toBeLessThan(1.8 * workOf(plain))
  })

  it('goes with vmap, second derivatives, and skips across a checkpoint', async () => {
    const f =
      (keep: (h: Tensor) => Tensor) =>
      (a: Tensor): Tensor => {
        const h = tanh(a.mul(2))
        return keep(tanh(h).mul(a)).add(h).tanh().sum()
      }
    const at = tensor([0.3, -0.5])
    const rows = tensor([
      [0.1, 0.2],
      [0.4, -1],
    ])
    const [plain, kept] = await Promise.all(
      [f((h) => h), f((h) => checkpoint(h))].map(async (g) => {
        const results = await evaluate([gradient(g(at), [at])[0]!, hessian(g(at), at), vmap(g)(rows), g(at)])
        return results.flatMap(({ data }) => [...data])
      }),
    )
    expect(kept).toEqual(plain)
  })

  it('of a value that is read from data, or asked for itself', async () => {
    const rows = gather(x, intTensor([2, 0]))
    const kept = checkpoint(tanh(rows))
    const all = await evaluate({
      kept,
      again: kept.mul(2),
      leaf: checkpoint(x),
      of: gradient(kept.sum(), [x])[0]!,
    })
    expect(all.again.data[0]).toBeCloseTo(2 * Math.tanh(0.3), 6)
    expect([...all.leaf.data]).toEqual([...(await x.read()).data])
    expect(all.of.shape).toEqual([3, 2])
    expect(all.kept.data.length).toBe(4)
  })
})
