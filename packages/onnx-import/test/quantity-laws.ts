/**
 * @file What must be true of every quantity, whatever the model: laws that tie it to others. Everything is reduced inside of the
 * graph, since the results themselves may be far larger than the model.
 */
import { backward, type Extension, type Parameter, type ParameterMap } from '@beyondgrad/autograd'
import { quantities, type QuantityName } from '@beyondgrad/backpack'
import {
  abs,
  diagonal,
  max,
  mul,
  neg,
  square,
  stack,
  sub,
  sum,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'

export const quantityNames: readonly QuantityName[] = Object.keys(quantities) as QuantityName[]

/** What a law says of one parameter: both sides, of the same shape. */
type Law = (q: Tensor, other: Tensor, samples: number, labels: number) => readonly [Tensor, Tensor]

const rest = (x: Tensor): number[] => x.shape.map((_, i) => i).slice(1)
const overRest = (x: Tensor): Tensor => sum(x, rest(x))
const scaled = (x: Tensor, by: number): Tensor => mul(x, by)

/** With which other quantity each one is held together, and how. */
const laws: Partial<Record<QuantityName, { readonly with: QuantityName; readonly law: Law }>> = {
  'batch-gradient': { with: 'gradient', law: (q, gradient) => [sum(q, [0]), gradient] },
  'batch-l2': { with: 'batch-gradient', law: (q, each) => [q, overRest(square(each))] },
  'sum-grad-squared': { with: 'batch-gradient', law: (q, each) => [q, sum(square(each), [0])] },
  variance: {
    with: 'batch-gradient',
    law: (q, each, n) => {
      const mean = scaled(sum(each, [0], { keep: true }), 1 / n)
      return [q, scaled(sum(square(sub(each, mean)), [0]), 1 / n)]
    },
  },
  'batch-diag-ggn': { with: 'diag-ggn', law: (q, diagonalOf) => [sum(q, [0]), diagonalOf] },
  'batch-diag-ggn-mc': { with: 'diag-ggn-mc', law: (q, diagonalOf) => [sum(q, [0]), diagonalOf] },
  'batch-diag-hessian': { with: 'diag-hessian', law: (q, diagonalOf) => [sum(q, [0]), diagonalOf] },
  'sqrt-ggn': { with: 'diag-ggn', law: (q, diagonalOf) => [sum(square(q), [0, 1]), diagonalOf] },
  'sqrt-ggn-mc': { with: 'diag-ggn-mc', law: (q, diagonalOf) => [sum(square(q), [0, 1]), diagonalOf] },
  'diag-empirical-fisher': {
    with: 'sum-grad-squared',
    law: (q, squares, _, labels) => [q, scaled(squares, labels)],
  },
  'gradient-gram': { with: 'batch-l2', law: (q, norms) => [diagonal(q), norms] },
}

/** Quantities that are no sums of squares. */
const signed = new Set<QuantityName>([
  'gradient',
  'batch-gradient',
  'diag-hessian',
  'diag-hessian-mc',
  'batch-diag-hessian',
  'sqrt-ggn',
  'sqrt-ggn-mc',
  'gradient-gram',
])

export interface LawReport {
  /** The largest entry, of any sign, of each parameter's result. */
  readonly largest: ParameterMap<Tensor>
  /** The smallest entry. */
  readonly smallest: ParameterMap<Tensor> | undefined
  /** How far the sides of the law are apart, and how large they are: [2]. */
  readonly difference: ParameterMap<Tensor> | undefined
}

const largestOf = (x: Tensor): Tensor => max(abs(x))

/** A quantity of a loss, reduced to numbers that tell whether it can be right. */
export function reportOf(
  name: QuantityName,
  loss: Tensor,
  parameters: ParameterMap<Parameter>,
  samples: number,
  /** How many labels the mean of the loss is over: the samples, times their positions. */
  labels: number = samples,
): LawReport {
  if (name === 'kfac' || name === 'kflr' || name === 'kfra') {
    const { q } = backward(loss, { q: quantities[name]() }, { parameters })
    const symmetry = q.map(({ output, input }) => {
      const sides = [output, ...(input !== undefined && input.shape.length > 1 ? [input] : [])].map(
        (factor) => {
          const last = factor.shape.length
          const turned = transpose(factor, [...Array(last - 2).keys(), last - 1, last - 2])
          return stack([largestOf(sub(factor, turned)), largestOf(factor)])
        },
      )
      return sides.length === 1 ? sides[0]! : max(stack(sides), [0])
    })
    return {
      largest: q.map(({ output, input }) =>
        input ? max(stack([largestOf(output), largestOf(input)])) : largestOf(output),
      ),
      smallest: q.map(({ output }) => neg(max(neg(diagonal(output))))),
      difference: symmetry,
    }
  }
  const law = laws[name]
  const requested: Record<string, Extension<ParameterMap<Tensor>>> = { q: quantities[name]() }
  if (law !== undefined) requested.other = (quantities[law.with] as () => Extension<ParameterMap<Tensor>>)()
  const results = backward(loss, requested, { parameters }) as Record<string, ParameterMap<Tensor>>
  const q = results.q!
  return {
    largest: q.map(largestOf),
    smallest: signed.has(name) ? undefined : q.map((x) => neg(max(neg(x)))),
    difference:
      law &&
      q.map((x, parameter) => {
        const [left, right] = law.law(x, results.other!.get(parameter), samples, labels)
        return stack([largestOf(sub(left, right)), largestOf(right)])
      }),
  }
}
