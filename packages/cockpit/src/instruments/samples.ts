/** @file What several instruments look at: the contributions of the samples, and the loss of each. */
import {
  type Contribution,
  defineExtension,
  type Extension,
  type Flow,
  gradientFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { mul, reshape, sum, type Tensor } from '@beyondgrad/tensor'

/** Contributions themselves: what several instruments make of them is one graph. */
export function Contributions(): Extension<ParameterMap<Contribution>> {
  return defineExtension({
    name: 'contributions',
    options: {},
    flow: gradientFlow,
    parameter: ({ contribution }) => contribution,
  })
}

const lossFlow: Flow<Tensor> = {
  name: 'losses of samples',
  run: (analysis, _options, what) => {
    analysis.demandMarkedLosses(what)
    const { losses, samples } = analysis
    const own = losses.map(({ definition, output, target, weight, scale }) => {
      const each = definition.each({ output, target })
      const rows = reshape(weight === undefined ? each : mul(each, weight), [samples, -1])
      return mul(sum(rows, [1]), mul(scale, samples))
    })
    const total = own.reduce((a, b) => a.add(b))
    return () => total
  },
}

/** The loss of every sample, [N], so that the loss of the batch is their mean, whatever its reduction. */
export function SampleLosses(): Extension<Tensor> {
  return defineExtension(
    {
      name: 'losses-of-samples',
      options: {},
      flow: lossFlow,
      parameter: ({ contribution }) => contribution,
    },
    ({ byParameter }) => [...byParameter][0]![1],
  )
}

/** Σ over parameters. */
export const added = (of: Iterable<readonly [unknown, Tensor]>): Tensor =>
  [...of].map(([, x]) => x).reduce((a, b) => a.add(b))

/** Σ of the squares of all entries, a scalar. */
export const squaredNormOf = (x: Tensor): Tensor => x.square().sum()
