import {
  add,
  constant,
  evaluate,
  expand,
  hold,
  matmul,
  mul,
  type NDArray,
  reshape,
  sum,
  tanh,
  tensor,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  backward,
  crossEntropy,
  defineExtension,
  type Extension,
  type Flow,
  gradient,
  gradientFlow,
  mseLoss,
  type ParameterMap,
} from '../src/index.ts'
import { output, target, v, w, weight, x } from './networks.ts'

const loss = (): Tensor => mseLoss(output(), target, { reduction: 'sum' })

type Quantity = Extension<ParameterMap<Tensor>>

const slope: Quantity = defineExtension({
  name: 'slope',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.sum(),
})
const each: Quantity = defineExtension({
  name: 'each',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.materialize(),
})

const close = (found: ArrayLike<number>, expected: ArrayLike<number>): void => {
  expect(found.length).toBe(expected.length)
  Array.from(expected).forEach((value, i) => expect(found[i]).toBeCloseTo(value, 9))
}

describe('backward', () => {
  it('returns results under the caller’s keys, by parameter, lazily', async () => {
    const results = backward(loss(), { anything: slope, 'with spaces': each })
    expect(Object.keys(results)).toEqual(['anything', 'with spaces'])
    expect(results.anything.names).toEqual(['w', 'v'])
    expect(results['with spaces'].get(w).shape).toEqual([3, 2, 3])
    const { anything } = await evaluate(results)
    close(anything.get('w').data, (await gradient(loss()).get('w').read()).data)
  })

  it('hands needs on finished, to both hooks, and computes each extension once', async () => {
    let calls = 0
    const counted: Quantity = defineExtension({
      name: 'counted',
      flow: gradientFlow,
      parameter: ({ contribution }) => {
        calls++
        return contribution.squaredNorm()
      },
    })
    const share = defineExtension(
      {
        name: 'share',
        flow: gradientFlow,
        needs: { counted, slope },
        parameter: ({ needs, parameter }) =>
          needs.counted.get(parameter).sum().add(needs.slope.get(parameter).sum().mul(0)),
      },
      ({ byParameter, needs }) => ({
        total: [...byParameter].map(([, part]) => part).reduce((a, b) => add(a, b)),
        names: needs.counted.names,
      }),
    )
    const results = backward(loss(), { share, counted, again: counted })
    expect(calls).toBe(2)
    expect(results.again).toBe(results.counted)
    const { share: found, counted: norms } = await evaluate(results)
    expect(found.names).toEqual(['w', 'v'])
    const expected = [...norms].flatMap(([, { data }]) => Array.from(data)).reduce((a, b) => a + b, 0)
    expect(found.total.data[0]).toBeCloseTo(expected, 9)
  })

  it('computes an extension once however often it is named, and keeps different ones apart whatever they are called', async () => {
    const scaled = (factor: number): Quantity =>
      defineExtension({
        name: 'scaled',
        flow: gradientFlow,
        parameter: ({ contribution }) => contribution.sum().mul(factor),
      })
    const [one, two] = [scaled(1), scaled(2)]
    const results = backward(loss(), { one, again: one, two })
    expect(results.again).toBe(results.one)
    const values = await evaluate(results)
    close(
      values.two.get('w').data,
      values.one.get('w').data.map((g) => 2 * g),
    )
  })

  it('says what the batch and the scale of the loss are', async () => {
    const seen: Extension<{
      batch: number
      normalizer?: number | undefined
      scale: Tensor
      names: readonly string[]
    }> = defineExtension({ name: 'seen', flow: gradientFlow, parameter: () => null }, ({ context }) => ({
      batch: context.batchSize,
      normalizer: context.normalizer.known,
      scale: context.lossScale,
      names: context.parameters.map(({ name }) => name),
    }))
    const { a, b } = await evaluate({
      a: backward(mseLoss(output(), target), { seen }).seen,
      b: backward(mul(loss(), 3), { seen }).seen,
    })
    expect(a).toMatchObject({ batch: 3, normalizer: 1 / 6, names: ['w', 'v'] })
    expect(a.scale.data[0]).toBeCloseTo(1 / 6, 12)
    expect(b.normalizer).toBe(1)
    expect(b.scale.data[0]).toBe(3)
  })

  it('runs a flow of one’s own once for all who ask for it', () => {
    let runs = 0
    const count: Flow<number> = {
      name: 'count',
      run: (analysis) => {
        runs++
        return (parameter) => analysis.upstream(parameter.value).size
      },
    }
    const uses = (name: string) =>
      defineExtension({ name, flow: count, parameter: ({ contribution }) => contribution + 1 })
    const { a, b } = backward(loss(), { a: uses('a'), b: uses('b') })
    expect([runs, a.get('w'), b.get('v')]).toEqual([1, 2, 2])
  })

  it('restricts itself to the parameters that it is given', () => {
    const results = backward(loss(), { slope, each }, { parameters: [v] })
    expect([results.slope.names, results.each.names]).toEqual([['v'], ['v']])
  })

  it('refuses what is not an extension, an extension that needs itself, and one without a name', () => {
    expect(() => backward(loss(), { slope: 3 as never })).toThrow(
      'backward: expected an extension; call its factory',
    )
    expect(() => backward(loss(), { other: { ...slope, protocol: 2 } as never })).toThrow(
      'extension "slope" speaks protocol 2, this copy of @beyondgrad/autograd protocol 1',
    )
    const foreign = { shape: [], '~beyondgrad': 2 } as never
    expect(() => backward(foreign, { slope })).toThrow(/this tensor speaks protocol 2, .* protocol 1/)
    expect(() => backward(3 as never, { slope })).toThrow('backward: the loss must be a tensor, not number')
    const needs: Record<string, Quantity> = {}
    const circle = defineExtension({
      name: 'circle',
      needs,
      flow: gradientFlow,
      parameter: ({ contribution }) => contribution.sum(),
    })
    needs.again = circle
    expect(() => backward(loss(), { circle })).toThrow('extension "circle" needs itself')
    expect(() => defineExtension({ name: '', flow: gradientFlow, parameter: () => null })).toThrow(
      'defineExtension: an extension needs a name',
    )
  })
})

describe('the loss of backward', () => {
  it('may be a linear combination of losses, on several outputs, with terms of parameters for the gradient', async () => {
    const total = mul(loss(), 2)
      .add(
        mseLoss(
          matmul(x, w.value),
          tensor([
            [1, 0, 0],
            [0, 1, 0],
            [0, 0, 1],
          ]),
        ),
      )
      .sub(1)
    const { a, b } = await evaluate({ a: backward(total, { slope }).slope, b: gradient(total) })
    for (const [parameter, { data }] of a) close(data, b.get(parameter).data)
    const decayed = total.add(w.value.square().sum())
    const { c, d } = await evaluate({ c: backward(decayed, { slope }).slope, d: gradient(decayed) })
    close(c.get('w').data, d.get('w').data)
    const parts = await evaluate(backward(total, { each, slope }))
    for (const [parameter, { data }] of parts.slope) {
      const own = parts.each.get(parameter).data
      close(
        Array.from(data, (_, i) => own[i]! + own[data.length + i]! + own[2 * data.length + i]!),
        data,
      )
    }
  })

  it('is refused where it is not linear in its losses, and where it depends on nothing', () => {
    expect(() => backward(loss().square(), { slope })).toThrow(
      'backward: the loss must be a linear combination of marked losses, but loss:mse enters it in another way',
    )
    expect(() => backward(mseLoss(x, x), { slope })).toThrow(
      'backward: the loss depends on no trainable parameter',
    )
    expect(() => backward(mseLoss(output(), matmul(x, matmul(w.value, v.value))), { slope })).toThrow(
      'backward: the target of loss:mse depends on a parameter; hold() it first',
    )
    const apart = mseLoss(output(), target).add(mseLoss(output(x.slice(0, 0, 2)), target.slice(0, 0, 2)))
    expect(() => backward(apart, { each })).toThrow(
      'backward: the losses look at 3 and 2 samples; they must agree',
    )
  })

  it('may have a target that was held', async () => {
    const teacher = await hold(matmul(x, matmul(w.value, v.value)))
    expect(backward(mseLoss(output(), teacher), { slope }).slope.names).toEqual(['w', 'v'])
  })
})

describe('samples', () => {
  const ofRows = async (result: Tensor, goal: Tensor, parameter = w): Promise<number[]> => {
    const rows = [0, 1, 2].map(
      (n) =>
        gradient(mseLoss(result.slice(0, n, n + 1), goal.slice(0, n, n + 1), { reduction: 'sum' }), [
          parameter.value,
        ])[0]!,
    )
    const values: readonly NDArray[] = await evaluate(rows)
    return values.flatMap(({ data }) => Array.from(data))
  }
  const own = async (
    result: Tensor,
    goal: Tensor,
    samples?: ReadonlyMap<Tensor, number>,
  ): Promise<number[]> => {
    const whole = mseLoss(result, goal, { reduction: 'sum' })
    const found = await evaluate(
      backward(whole, { each }, { parameters: [w], ...(samples ? { samples } : {}) }),
    )
    return Array.from(found.each.get('w').data)
  }

  it('are found on axis 0 of the loss, wherever they are before', async () => {
    close(await own(output(), target), await ofRows(output(), target))
    const last = transpose(x)
    const result = matmul(tanh(matmul(transpose(last), w.value)), v.value)
    close(await own(result, target), await ofRows(result, target))
  })

  it('may be a single one', async () => {
    const [one, goal] = [tensor([[1, 2]]), tensor([[0, 1]])]
    const shifted = add(output(one), constant([[1, 2]]))
    const whole = mseLoss(shifted, goal, { reduction: 'sum' })
    const { each: found, slope: total } = await evaluate(backward(whole, { each, slope }))
    expect(found.get('w').shape).toEqual([1, 2, 3])
    for (const [parameter, { data }] of total) close(found.get(parameter).data, data)
  })

  it('may each have a row of what all share: a learned constant, a class token', async () => {
    const b = weight('w', [2], 4)
    const result = expand(tanh(b.value), [3, 2])
    const whole = mseLoss(result, target, { reduction: 'sum' })
    const found = await evaluate(backward(whole, { each }))
    close(found.each.get('w').data, await ofRows(result, target, b))
  })

  it('are told apart from a use of all rows together: what goes into every sample is nobody’s own', async () => {
    // Row n of `spread` goes into sample n, and the sum of all rows into every sample.
    const spread = expand(reshape(sum(w.value, [1]), [1, 2]), [3, 2])
    const result = add(add(x, spread), sum(spread, [0]))
    close(await own(result, target), await ofRows(result, target))
  })

  it('are where the option says, if it says so, and the loss must agree', () => {
    const square = tensor([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ])
    const result = mul(square, weight('w', [3, 3]).value)
    const whole = mseLoss(result, square)
    expect(() => backward(whole, { each }, { samples: new Map([[square, 1]]) })).toThrow(
      /^each: axis 0 of what the loss looks at, \[3, 3\], must count the 3 samples, but the labels say that axis 1 does/,
    )
    expect(() => backward(whole, { each }, { samples: new Map([[square, 0]]) })).not.toThrow()
    expect(() => backward(loss(), { each }, { samples: new Map([[x, 1]]) })).toThrow(
      'samples: axis 1 of a tensor of shape [3, 2] does not count 3 samples',
    )
  })

  it('of an output that all samples share, and use together, are refused', () => {
    const p = weight('p', [3, 2])
    const all = p.value.mul(2)
    const whole = mseLoss(all, target).add(mseLoss(matmul(matmul(target, transpose(all)), all), target))
    expect(() => backward(whole, { each })).toThrow(/is used by all samples together/)
  })

  it('that an op mixes are named with the op; the gradient is there all the same', async () => {
    const centred = output().sub(output().mean([0]))
    const whole = crossEntropy(centred, constant([0, 1, 1], 'int32'))
    expect(() => backward(whole, { each })).toThrow('each: op "sum" on [3, 2] mixes samples')
    const { a, b } = await evaluate({ a: backward(whole, { slope }).slope, b: gradient(whole) })
    close(a.get('w').data, b.get('w').data)
  })
})
