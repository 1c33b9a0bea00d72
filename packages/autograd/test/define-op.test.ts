import { concat, evaluate, exp, slice, type Tensor, tensor, vmap } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  assumeBatchAxis,
  backward,
  defineExtension,
  defineOp,
  type Extension,
  gradient,
  gradientFlow,
  hessian,
  hessianFlow,
  mseLoss,
  type ParameterMap,
  type Rule,
} from '../src/index.ts'
import { output, target, v, w, x } from './networks.ts'

const expand = ([a]: readonly Tensor[]): Tensor => a!.div(exp(a!.neg()).add(1))

const labels: Rule['labels'] = { forward: (_node, [label]) => label!, backward: (_node, label) => label }

/** Counts how often it is asked. */
function ruledSwish(): { readonly swish: (a: Tensor) => Tensor; readonly asked: () => number } {
  let asked = 0
  const slope = (a: Tensor): Tensor => {
    const s = exp(a.neg()).add(1).pow(-1)
    return s.add(a.mul(s).mul(s.neg().add(1)))
  }
  const node = defineOp({
    name: 'test:swish',
    expand,
    rule: {
      labels,
      curvature: 'unknown',
      vjp: (at, g) => {
        asked++
        return [g.mul(slope(at.inputs[0] as Tensor))]
      },
    },
  })
  return { swish: (a) => node([a]), asked: () => asked }
}

const plain = defineOp({ name: 'test:plain-swish', expand })

const each: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'each',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.materialize(),
})
const curvature: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'curvature',
  flow: hessianFlow(),
  parameter: ({ contribution }) => contribution.sumOfSquares(),
})

describe('an op of one’s own', () => {
  const at = tensor([-1, 0.5, 2])
  const all = async (act: (a: Tensor) => Tensor): Promise<readonly number[]> => {
    const results = [act(at), gradient(act(at).sum(), [at])[0]!, hessian(act(at).sum(), at), vmap(act)(at)]
    return (await evaluate(results)).flatMap(({ data }) => [...data])
  }

  it('computes, is differentiated and batched by its expansion', async () => {
    expect(await all((a) => plain([a]))).toEqual(await all((a) => expand([a])))
  })

  it('is differentiated by its own rule where it brings one', async () => {
    const { swish, asked } = ruledSwish()
    const [found, expected] = [await all(swish), await all((a) => expand([a]))]
    found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 12))
    expect(asked()).toBeGreaterThan(0)
  })

  it('passes samples and contributions on, with the rule and without', async () => {
    const { swish } = ruledSwish()
    const net = (act: (a: Tensor) => Tensor): Tensor =>
      mseLoss(act(x.matmul(w.value)).matmul(v.value), target)
    const [a, b] = await Promise.all(
      [net(swish), net((z) => plain([z]))].map((loss) => evaluate(backward(loss, { each }))),
    )
    a!.each.get('w').data.forEach((value, i) => expect(value).toBeCloseTo(b!.each.get('w').data[i]!, 12))
    // The exact Hessian asks for second derivatives, which this rule does not have.
    expect(() => backward(net(swish), { curvature })).toThrow(/says nothing of its second derivative/)
    const { curvature: found } = await evaluate(
      backward(
        net((z) => plain([z])),
        { curvature },
      ),
    )
    expect(found.get('w').data.length).toBe(w.shape[0]! * w.shape[1]!)
  })

  it('must carry the name of its package', () => {
    expect(() => defineOp({ name: 'swish', expand })).toThrow(/"my-package:swish"/)
  })
})

describe('assumeBatchAxis', () => {
  const order = [2, 0, 1]
  /** Rows in another order, one by one: labels can't follow. */
  const shuffled = (a: Tensor): Tensor =>
    concat(
      order.map((n) => slice(a, 0, n, n + 1)),
      0,
    )

  it('vouches for an axis that the labels lost', async () => {
    const rows = shuffled(x)
    const goal = shuffled(target)
    const lost = mseLoss(output(rows), goal)
    const vouched = mseLoss(output(assumeBatchAxis(rows)), goal)
    const samples = new Map([[x, 0]])
    expect(() => backward(lost, { each }, { samples })).toThrow(/assumeBatchAxis\(\)/)
    const { each: found } = await evaluate(backward(vouched, { each }, { samples }))
    const { each: straight } = await evaluate(backward(mseLoss(output(), target), { each }))
    const size = w.shape[0]! * w.shape[1]!
    order.forEach((from, n) => {
      for (let i = 0; i < size; i++) {
        expect(found.get('w').data[n * size + i]).toBeCloseTo(straight.get('w').data[from * size + i]!, 12)
      }
    })
    // The value and the gradient are those of x itself.
    const [one, other] = [gradient(lost), gradient(vouched)]
    const both = await evaluate([one.get(w), other.get(w)])
    expect(both[0].data).toEqual(both[1].data)
  })

  it('is checked against the number of samples', () => {
    expect(() =>
      backward(mseLoss(output(assumeBatchAxis(x.transpose(), 0).transpose()), target), {
        each,
      }),
    ).toThrow(/does not count 3 samples/)
    expect(() => assumeBatchAxis(x, 2)).toThrow(/axis 2 does not exist/)
  })
})
