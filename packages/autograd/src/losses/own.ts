/** @file Losses of one's own: any twice differentiable function of outputs and targets that keeps the samples apart. */
import {
  type AnyTensor,
  BeyondgradError,
  cellOf,
  formatShape,
  isTensor,
  placeholder,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { defineLoss, type LossDefinition } from '../loss.ts'
import { expandForDerivatives } from '../pullback.ts'
import { findSampleAxes, requireLabel, type SampleAxes } from '../sample-axis.ts'
import { checkSamples, type LossOptions, termsOf } from './terms.ts'

/** What the author of a loss may know of it, besides its value. */
export interface OwnLossOptions extends Pick<LossDefinition, 'hessianRoot' | 'sampleRoot'> {
  /** For messages. Default: the name of the function. */
  readonly name?: string | undefined
  /**
   * True: every number of an output counts by itself, though the terms are sums over them. Default: found out, where the terms
   * have the shape of the output. Nothing checks it but `checkLoss` of `@beyondgrad/testing`.
   */
  readonly elementwise?: boolean | undefined
}

/** A loss of one's own, as it is called. */
export type OwnLoss<T extends AnyTensor> = (output: Tensor, target: T, options?: LossOptions) => Tensor

/**
 * Marks a function of outputs and targets as a loss, so that samples and curvature are known. Where it has no `hessianRoot`, its
 * second derivative is taken, which may have either sign: exact quantities are there, Monte-Carlo ones are refused.
 *
 * The loss throws `mixed-samples` if a term depends on more than one sample, and `value` if the function uses tensors besides
 * its arguments that are no constants.
 *
 * @param fn terms [N, …terms] of an output [N, …] and its targets; "mean" divides by their number
 * @returns the loss, to be called with an output, targets, and the reduction
 */
export function loss<T extends AnyTensor = Tensor>(
  fn: (output: Tensor, target: T) => Tensor,
  options: OwnLossOptions = {},
): OwnLoss<T> {
  const { name = fn.name || 'own', elementwise = false, ...roots } = options
  const what = `loss "${name}"`
  const node = defineLoss({ name, each: ({ output, target }) => fn(output, target as T), ...roots })
  return (output, target, lossOptions = {}) => {
    checkSamples(what, output)
    const stand = placeholder(output.shape, output.dtype, 'output')
    const aim = placeholder(target.shape, target.dtype, 'target') as AnyTensor as T
    const terms: AnyTensor | undefined = fn(stand, aim)
    if (!isTensor(terms) || terms.dtype !== 'float32' || terms.shape[0] !== output.shape[0]) {
      const found = isTensor(terms) ? `${terms.dtype} ${formatShape(terms.shape)}` : typeof terms
      throw new BeyondgradError(
        'shape',
        `${what}: must return a float32 tensor of terms, [${output.shape[0]}, ...] for an output of shape ${formatShape(output.shape)}, not ${found}`,
      )
    }
    const apart = independentAxes(what, terms as Tensor, stand, aim)
    const blockAxes = elementwise ? output.shape.length : apart
    return node({ output, target }, { ...termsOf(what, lossOptions, terms.shape), blockAxes })
  }
}

/** Throws for tensors that the function brings along: nobody outside would know that the loss depends on them. */
function demandClosed(what: string, order: readonly AnyTensor[], own: readonly AnyTensor[]): void {
  for (const leaf of order) {
    if (leaf.inputs.length > 0 || leaf.op.name === 'constant' || own.includes(leaf)) continue
    const found = cellOf(leaf)
    throw new BeyondgradError(
      'value',
      found === undefined
        ? `${what}: its function uses a tensor of shape ${formatShape(leaf.shape)} besides output and target; make it with constant(), or hand it in as a part of the target`
        : `${what}: its function uses parameter "${found.cell.name}"; what depends on parameters goes through the output`,
    )
  }
}

/** How many leading axes of the output the terms keep apart, samples included; throws if that is not even the samples'. */
function independentAxes(what: string, terms: Tensor, output: Tensor, target: AnyTensor): number {
  const [plain] = expandForDerivatives([terms]) as [Tensor]
  const order = topologicalOrder([plain])
  if (!order.includes(output)) {
    throw new BeyondgradError('value', `${what}: its terms do not depend on the output`)
  }
  demandClosed(what, order, [output, target])
  const axesFor = (axis: number): SampleAxes => {
    const size = output.shape[axis]!
    const given = [output, target].filter((leaf) => order.includes(leaf) && leaf.shape[axis] === size)
    return findSampleAxes(order, [], size, new Map(given.map((leaf) => [leaf, axis])))
  }
  let axis = 0
  while (axis < output.shape.length && axis < terms.shape.length) {
    const size = output.shape[axis]!
    if (size !== terms.shape[axis]) break
    const axes = axesFor(axis)
    const label = axis === 0 && size > 1 ? requireLabel(axes, plain, what) : axes.of(plain)
    const isKept =
      label !== undefined && 'axis' in label && label.axis === axis && label.inner === 1 && label.outer === 1
    if (size > 1 && !isKept) break
    axis++
  }
  if (axis > 0) return axis
  throw new BeyondgradError(
    'mixed-samples',
    `${what}: axis 0 of its terms, ${formatShape(terms.shape)}, does not count the samples of the output, ${formatShape(output.shape)}`,
  )
}
