/** @file Weights, ignored labels and reductions of losses; losses of one's own; what is refused, and how. */
import {
  concat,
  constant,
  DataError,
  evaluate,
  intTensor,
  matmul,
  mul,
  roll,
  square,
  sub,
  sum,
  tanh,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  backward,
  bceWithLogits,
  type Columns,
  type Contribution,
  crossEntropy,
  defineExtension,
  type Extension,
  gaussianNLL,
  ggnFlow,
  ggnvp,
  gradient,
  gradientFlow,
  huberLoss,
  klDivergence,
  loss,
  mseLoss,
  nllLoss,
  parameter,
  parameterMap,
  poissonNLL,
  smoothL1Loss,
} from '../src/index.ts'

const values = Float32Array.of(0.5, -1, 0.25, 1, 0.75, -0.5)
const w = parameter('w', {
  shape: [2, 3],
  dtype: 'float32',
  data: values,
})
const x = tensor([[1, 2], [-1, 0.5], [0.5, -2], [3, 1]]) // prettier-ignore
const logits = (): Tensor => matmul(x, w.value)
const labels = intTensor([0, 2, 1, 1])
const goals = tensor([[1, 0, 2], [0, 1, 0.5], [-1, 1, 0], [0.25, 0, 0]]) // prettier-ignore

const samples: Extension<Tensor> = defineExtension(
  {
    name: 'samples',
    flow: gradientFlow,
    parameter: ({ contribution }: { contribution: Contribution }) => contribution.materialize(),
  },
  ({ byParameter }) => byParameter.get('w'),
)
const curvature = (flow = ggnFlow()): Extension<Tensor> =>
  defineExtension(
    {
      name: 'curvature',
      flow,
      parameter: ({ contribution }: { contribution: Columns }) => contribution.sumOfSquares(),
    },
    ({ byParameter }) => byParameter.get('w'),
  )
const scale: Extension<{ known: readonly (number | undefined)[]; value: Tensor }> = defineExtension(
  { name: 'scale', flow: gradientFlow, parameter: () => null },
  ({ context: { normalizer } }) => ({ known: [normalizer.known], value: normalizer.value }),
)
const count = (of: Tensor): number => {
  let found = 0
  const extension = defineExtension({
    name: 'count',
    flow: ggnFlow(),
    parameter: ({ contribution }) => (found = contribution.columns),
  })
  backward(of, { extension })
  return found
}

const list = async (tensor: Tensor): Promise<number[]> => Array.from((await tensor.read()).data)

describe('weighted terms', () => {
  const weight = tensor([2, 0, 0.5, 1])

  it('are averaged by the sum of their weights, in everything that follows', async () => {
    const [mean, total] = (['mean', 'sum'] as const).map((reduction) =>
      crossEntropy(logits(), labels, { sampleWeight: weight, reduction }),
    )
    const { a, b, s } = await evaluate({
      a: {
        value: mean!,
        ...backward(mean!, {
          samples,
          curvature: curvature(),
          mc: curvature(ggnFlow({ samples: 2 })),
          scale,
        }),
      },
      b: {
        value: total!,
        ...backward(total!, { samples, curvature: curvature(), mc: curvature(ggnFlow({ samples: 2 })) }),
      },
      s: backward(total!, { scale }).scale,
    })
    for (const key of ['value', 'samples', 'curvature', 'mc'] as const) {
      a[key].data.forEach((found, i) => expect(found).toBeCloseTo(b[key].data[i]! / 3.5, 12))
    }
    expect(Array.from(a.samples.data.slice(6, 12))).toEqual([0, 0, 0, 0, 0, 0])
    expect(a.scale.known).toEqual([undefined])
    expect(a.scale.value.data[0]).toBeCloseTo(1 / 3.5, 12)
    expect(s.known).toEqual([1])
  })

  it('count for products with the Gauss-Newton matrix', async () => {
    const vectors = parameterMap([w]).map((p) => p.value.mul(2).add(1))
    const product = async (of: Tensor): Promise<number[]> => list(ggnvp(of, vectors).get('w'))
    const [double, single] = [tensor([2, 2, 2, 2]), tensor([1, 1, 1, 1])]
    const options = { reduction: 'sum' } as const
    const [a, b] = [
      await product(crossEntropy(logits(), labels, { ...options, sampleWeight: double })),
      await product(crossEntropy(logits(), labels, { ...options, sampleWeight: single })),
    ]
    a.forEach((found, i) => expect(found).toBeCloseTo(2 * b[i]!, 12))
  })

  it('that are negative, or all zero under "mean", fail the run', async () => {
    const of = (sampleWeight: Tensor): Tensor => mseLoss(logits(), goals, { sampleWeight })
    await expect(of(tensor([1, -1, 1, 1])).read()).rejects.toThrow(
      'mseLoss: sampleWeight is -1 at [1]; it must not be negative here',
    )
    await expect(of(tensor([0, 0, 0, 0])).read()).rejects.toThrow(
      'mseLoss: the sum of the weights (is every sample left out?) is 0 at []; it must be above 0 here',
    )
    await expect(gradient(of(tensor([0, 0, 0, 0])), [x])[0]!.read()).rejects.toThrow(DataError)
  })

  it('must be one for each sample or term', () => {
    expect(() => mseLoss(logits(), goals, { sampleWeight: tensor([1, 2]) })).toThrow(
      'mseLoss: sampleWeight must be float32 of shape [4] or [4, 3], one for each sample or each term, not float32 [2]',
    )
  })

  it('may not depend on a parameter that is asked for', () => {
    const sampleWeight = square(sum(logits(), [1]))
    expect(() => backward(mseLoss(logits(), goals, { sampleWeight }), { samples })).toThrow(
      'backward: the weight of loss:mse depends on a parameter; hold() it first',
    )
  })
})

describe('ignored labels', () => {
  const some = intTensor([0, -100, 1, -100])
  const none = intTensor([-100, -100, -100, -100])

  it('are as if their samples were not there', async () => {
    const rows = concat([logits().slice(0, 0, 1), logits().slice(0, 2, 3)], 0)
    for (const reduction of ['mean', 'sum'] as const) {
      for (const labelSmoothing of [0, 0.3]) {
        const all = crossEntropy(logits(), some, { ignoreIndex: -100, reduction, labelSmoothing })
        const few = crossEntropy(rows, intTensor([0, 1]), { reduction, labelSmoothing })
        expect(await all.item()).toBeCloseTo(await few.item(), 12)
        const [found, expected] = [await list(gradient(all).get('w')), await list(gradient(few).get('w'))]
        found.forEach((g, i) => expect(g).toBeCloseTo(expected[i]!, 12))
      }
    }
  })

  it('may be one of the classes', async () => {
    const value = crossEntropy(logits(), labels, { ignoreIndex: 1 })
    const kept = crossEntropy(logits().slice(0, 0, 2), intTensor([0, 2]))
    expect(await value.item()).toBeCloseTo(await kept.item(), 12)
  })

  it('leave nothing to average when all are ignored, and nothing to add', async () => {
    const options = { ignoreIndex: -100 }
    for (const lossOf of [crossEntropy, nllLoss]) {
      await expect(lossOf(logits(), none, options).read()).rejects.toThrow(/is every sample left out.* is 0/)
      const added = lossOf(logits(), none, { ...options, reduction: 'sum' })
      expect(await added.item()).toBeCloseTo(0, 12)
      expect((await list(gradient(added).get('w'))).every((g) => g === 0)).toBe(true)
    }
  })

  it('are errors of the data when nobody ignores them', async () => {
    await expect(crossEntropy(logits(), some).read()).rejects.toThrow(
      'crossEntropy: the target contains -100 at [1]',
    )
  })
})

describe('losses of one’s own', () => {
  it('must keep the samples apart', () => {
    const mixed = loss((f: Tensor, y: Tensor) => square(sub(sub(f, f.mean([0], { keep: true })), y)), {
      name: 'mixed',
    })
    expect(() => mixed(logits(), goals)).toThrow('loss "mixed": op "sum" on [4, 3] mixes samples')
    const shifted = loss((f: Tensor, y: Tensor) => mul(f, roll(y, 1, 0)), { name: 'shifted' })
    expect(() => shifted(logits(), goals)).toThrow(
      'loss "shifted": op "slice" on [4, 3] hides which axis counts the samples',
    )
  })

  it('must return terms of samples', () => {
    const total = loss((f: Tensor) => sum(square(f)), { name: 'total' })
    expect(() => total(logits(), goals)).toThrow(
      'loss "total": must return a float32 tensor of terms, [4, ...] for an output of shape [4, 3], not float32 []',
    )
    expect(() => loss((_f: Tensor, y: Tensor) => square(y))(logits(), goals)).toThrow(
      'do not depend on the output',
    )
  })

  it('use nothing but constants besides their arguments', () => {
    const scales = tensor([1, 2, 3])
    const scaled = loss((f: Tensor, y: Tensor) => square(sub(f, y)).mul(scales), { name: 'scaled' })
    expect(() => scaled(logits(), goals)).toThrow(
      'loss "scaled": its function uses a tensor of shape [3] besides output and target; make it with constant(), or hand it in as a part of the target',
    )
    const tied = loss((f: Tensor) => square(f).mul(w.value.slice(0, 0, 1)), { name: 'tied' })
    expect(() => tied(logits(), goals)).toThrow('loss "tied": its function uses parameter "w"')
    const fixed = loss((f: Tensor, y: Tensor) => square(sub(f, y)).mul(constant([1, 2, 3])))
    expect(count(fixed(logits(), goals))).toBe(3)
  })

  it('take as many columns as there are entries in a block', () => {
    const apart = loss((f: Tensor, y: Tensor) => square(tanh(sub(f, y))))
    const joined = loss((f: Tensor, y: Tensor) => square(sum(mul(f, y), [1])))
    expect(count(apart(logits(), goals))).toBe(3)
    expect(count(joined(logits(), goals))).toBe(6)
    expect(count(crossEntropy(logits(), labels))).toBe(2)
    expect(count(crossEntropy(logits().reshape([4, 3, 1]).mul(tensor([[[1, 2, 3, 4, 5]]])), intTensor([[0, 1, 2, 0, 1], [0, 1, 2, 0, 1], [0, 1, 2, 0, 1], [0, 1, 2, 0, 1]])))).toBe(10) // prettier-ignore
  })

  it('without a root have no Monte-Carlo columns and no columns to hand out', () => {
    const of = loss((f: Tensor, y: Tensor) => square(tanh(sub(f, y))), { name: 'squashed' })
    expect(() => backward(of(logits(), goals), { c: curvature(ggnFlow({ samples: 1 })) })).toThrow(
      'curvature: loss "squashed" has neither a sampler nor a square root of its Hessian',
    )
    const columns = defineExtension({
      name: 'columns',
      flow: ggnFlow(),
      parameter: ({ contribution }) => contribution.materialize(),
    })
    expect(() => backward(of(logits(), goals), { columns })).toThrow(
      'materialize: the curvature of parameter "w" of shape [2, 3] has parts of either sign',
    )
  })

  it('with a root are drawn with random signs', async () => {
    const of = loss((f: Tensor, y: Tensor) => square(sub(f, y)), {
      name: 'squares',
      hessianRoot: ({ output }) =>
        output
          .mul(0)
          .add(Math.SQRT2)
          .reshape([1, ...output.shape]),
    })
    const value = of(logits(), goals, { reduction: 'sum' })
    const { exact, drawn } = await evaluate(
      backward(value, { exact: curvature(), drawn: curvature(ggnFlow({ samples: 4000 })) }),
    )
    // One entry of the output per weight and sample: a sign squared is 1.
    drawn.data.forEach((found, i) => expect(found).toBeCloseTo(exact.data[i]!, 9))
  })
})

describe('terms of parameters alone', () => {
  const decayed = (): Tensor => mseLoss(logits(), goals).add(square(w.value).sum().mul(0.5))

  it('are named by what they forbid, with the way out', () => {
    expect(() => backward(decayed(), { samples })).toThrow(
      "terms of parameters alone (w) that belong to no sample; leave them out of the loss for this quantity, or say backward(…, { regularizers: 'ignore' })",
    )
    expect(() => backward(decayed(), { samples }, { regularizers: 'drop' as 'ignore' })).toThrow(
      'backward: regularizers is "refuse" or "ignore", not "drop"',
    )
  })

  it('count for the gradient alone when they are ignored', async () => {
    const slope = defineExtension({
      name: 'slope',
      flow: gradientFlow,
      parameter: ({ contribution }) => contribution.sum(),
    })
    const extensions = { samples, curvature: curvature(), slope }
    const { a, b } = await evaluate({
      a: backward(decayed(), extensions, { regularizers: 'ignore' }),
      b: backward(mseLoss(logits(), goals), extensions),
    })
    expect(Array.from(a.samples.data)).toEqual(Array.from(b.samples.data))
    expect(Array.from(a.curvature.data)).toEqual(Array.from(b.curvature.data))
    a.slope.get('w').data.forEach((g, i) => expect(g).toBeCloseTo(b.slope.get('w').data[i]! + values[i]!, 6))
  })
})

describe('arguments', () => {
  const wrong: readonly (readonly [string, () => Tensor, string])[] = [
    ['reduction', () => klDivergence(logits(), goals, { reduction: 'none' as 'sum' }), 'klDivergence: reduction is "mean", "sum" or "batchmean", not "none"'],
    ['delta', () => huberLoss(logits(), goals, { delta: 0 }), 'huberLoss: delta must be a positive number, not 0'],
    ['beta', () => smoothL1Loss(logits(), goals, { beta: -1 }), 'smoothL1Loss: beta must be a positive number, not -1'],
    ['labelSmoothing', () => crossEntropy(logits(), labels, { labelSmoothing: 2 }), 'crossEntropy: labelSmoothing is a number from 0 to 1, not 2'],
    ['weight', () => crossEntropy(logits(), labels, { weight: tensor([1, 2]) }), 'crossEntropy: weight must have a number for each of the 3 classes, [3], not float32 [2]'],
    ['axis', () => crossEntropy(logits(), labels, { axis: 0 }), 'crossEntropy: axis 0 of an output of shape [4, 3] is no axis of classes'],
    ['ignoreIndex', () => crossEntropy(logits(), goals, { ignoreIndex: 0 }), 'crossEntropy: ignoreIndex is for targets of class indices'],
    ['posWeight', () => bceWithLogits(logits(), goals, { posWeight: tensor([1, 2]) }), 'bceWithLogits: posWeight of shape [2] does not broadcast with an output of shape [4, 3]'],
    ['variance', () => gaussianNLL(logits(), goals, tensor([1, 2])), 'gaussianNLL: the variance must have the shape of the mean, [4, 3], or size 1 on its last axis, not [2]'],
    ['sequence', () => crossEntropy(logits().reshape([4, 1, 3]), labels), 'crossEntropy: expects logits [N, C, ...] and class indices [N, ...], or [N, ..., C] with { axis: -1 }, got [4, 1, 3] and [4]'],
  ] // prettier-ignore

  it.each(wrong)('%s', (_what, build, message) => {
    expect(build).toThrow(message)
  })

  const bad: readonly (readonly [string, () => Tensor, string])[] = [
    ['negative counts', () => poissonNLL(logits(), goals), 'poissonNLL: the target is -1 at [2, 0]; it must not be negative here'],
    ['negative variances', () => gaussianNLL(logits(), goals, goals), 'gaussianNLL: the variance is -1 at [2, 0]'],
    ['negative probabilities', () => crossEntropy(logits(), goals), 'crossEntropy: a probability of the target is -1 at [2, 0]'],
    ['negative class weights', () => crossEntropy(logits(), labels, { weight: tensor([1, -2, 1]) }), 'crossEntropy: weight is -2 at [1]'],
  ] // prettier-ignore

  it.each(bad)('%s fail the run', async (_what, build, message) => {
    await expect(build().read()).rejects.toThrow(message)
  })
})
