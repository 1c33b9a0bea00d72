/** @file Softmax cross-entropy: of class indices or of class probabilities, with any positions, weights and smoothing. */
import {
  type AnyTensor,
  BeyondgradError,
  equal,
  expand,
  formatShape,
  guard,
  logSoftmax,
  mul,
  neg,
  sameShape,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '@beyondgrad/tensor'
import { defineLoss, type LossTerms } from '../loss.ts'
import { categoricalRoot, categoricalSample, indicators, ofTargets, rootOfMass } from './categorical.ts'
import {
  checkReduction,
  checkSamples,
  type LossOptions,
  notNegative,
  spreadWeight,
  termsOf,
  total,
} from './terms.ts'

const crossEntropyNode = /* @__PURE__ */ defineLoss({
  name: 'cross-entropy',
  each: ({ output, target }) => neg(ofTargets(logSoftmax(output), target as Tensor<'int32'>)),
  hessianRoot: ({ output }) => categoricalRoot(output),
  sampleRoot: ({ output }, sampling) => categoricalSample(output, sampling),
})

/** −Σ q log p for a target q ≥ 0 of any mass. */
const softCrossEntropyNode = /* @__PURE__ */ defineLoss({
  name: 'cross-entropy of probabilities',
  each: ({ output, target }) => neg(sum(mul(target as Tensor, logSoftmax(output)), [-1])),
  hessianRoot: ({ output, target }) => mul(categoricalRoot(output), rootOfMass(target as Tensor)),
  sampleRoot: ({ output, target }, sampling) =>
    mul(categoricalSample(output, sampling), rootOfMass(target as Tensor)),
})

export interface CrossEntropyOptions extends LossOptions {
  /** The axis of the classes. Default: 1, as PyTorch has it; −1 for [N, T, C]. */
  readonly axis?: number | undefined
  /** A weight for each class, [C]; "mean" then divides by the sum of the weights of the targets. */
  readonly weight?: Tensor | undefined
  /** Targets with this number count for nothing, neither in the sum nor in what "mean" divides by. Default: none. */
  readonly ignoreIndex?: number | undefined
  /** From 0 to 1: this part of the target is spread over all classes. Default: 0. */
  readonly labelSmoothing?: number | undefined
}

/**
 * Softmax cross-entropy −Σ log p(target) of logits, at every sample and position. "mean" divides by the number of targets, N or N
 * times the positions.
 *
 * Class indices are checked at every run (`data`). If all of them are ignored, "sum" is 0 and "mean" fails with a `DataError`.
 *
 * @param output logits [N, C] or [N, C, …positions]; see `axis`
 * @param target class indices [N] or [N, …positions], or probabilities of the classes in the shape of the logits
 */
export function crossEntropy(
  output: Tensor,
  target: Tensor<'int32'> | Tensor,
  given: CrossEntropyOptions = {},
): Tensor {
  const { reduction = 'mean', labelSmoothing = 0, ignoreIndex } = given
  checkReduction('crossEntropy', reduction)
  checkSamples('crossEntropy', output)
  checkOptions(output, given)
  const logits = classesLast(output, given.axis)
  const weight = checkedClassWeight('crossEntropy', given.weight, logits.shape.at(-1)!)
  const options = { ...given, weight }
  if ((target as AnyTensor).dtype === 'float32' && sameShape(target.shape, output.shape)) {
    if (ignoreIndex !== undefined) {
      throw new BeyondgradError(
        'value',
        'crossEntropy: ignoreIndex is for targets of class indices; give probabilities a sampleWeight of 0',
      )
    }
    return ofProbabilities(logits, target as Tensor, options)
  }
  checkIndices('crossEntropy', output, logits, target)
  const indices = target as Tensor<'int32'>
  const terms = indexTerms('crossEntropy', logits, indices, options)
  const value =
    labelSmoothing === 0
      ? crossEntropyNode({ output: logits, target: indices }, terms)
      : smoothed(logits, indices, options, terms)
  return guardIndices('crossEntropy', value, indices, logits.shape.at(-1)!, ignoreIndex)
}

/** With smoothing the target is a distribution; class weights are in its mass, ignored samples have none. */
function smoothed(
  logits: Tensor,
  target: Tensor<'int32'>,
  { weight, labelSmoothing = 0, ignoreIndex, sampleWeight }: CrossEntropyOptions,
  { reduction, divisor }: LossTerms,
): Tensor {
  const classes = logits.shape.at(-1)!
  const spread = indicators(logits, target)
    .mul(1 - labelSmoothing)
    .add(labelSmoothing / classes)
  const weighted = weight === undefined ? spread : spread.mul(weight)
  const kept = keptOf(target, ignoreIndex)
  const masses = kept === undefined ? weighted : weighted.mul(unsqueeze(kept, [target.shape.length]))
  const own = sampleWeight && spreadWeight('crossEntropy', sampleWeight, target.shape)
  return softCrossEntropyNode({ output: logits, target: masses }, { reduction, divisor, weight: own })
}

function ofProbabilities(logits: Tensor, target: Tensor, options: CrossEntropyOptions): Tensor {
  const { weight, labelSmoothing = 0 } = options
  let masses = classesLast(target, options.axis)
  if (labelSmoothing > 0) {
    masses = masses.mul(1 - labelSmoothing).add(labelSmoothing / logits.shape.at(-1)!)
  }
  if (weight !== undefined) masses = masses.mul(weight)
  const terms = termsOf('crossEntropy', options, logits.shape.slice(0, -1))
  const value = softCrossEntropyNode({ output: logits, target: masses }, terms)
  return guard(value, target, { kind: 'not-negative', what: 'crossEntropy: a probability of the target' })
}

function checkOptions(output: Tensor, options: CrossEntropyOptions): void {
  const { labelSmoothing = 0, ignoreIndex, axis = 1 } = options
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new BeyondgradError(
      'value',
      `crossEntropy: labelSmoothing is a number from 0 to 1, not ${labelSmoothing}`,
    )
  }
  if (ignoreIndex !== undefined && !Number.isInteger(ignoreIndex)) {
    throw new BeyondgradError('value', `crossEntropy: ignoreIndex is an integer, not ${ignoreIndex}`)
  }
  checkClassAxis('crossEntropy', output, axis)
}

/** Throws unless the axis of the classes is there, and not that of the samples. */
export function checkClassAxis(name: string, output: Tensor, axis: number): void {
  const rank = output.shape.length
  if (Number.isInteger(axis) && axis !== 0 && axis < rank && axis > -rank) return
  throw new BeyondgradError(
    'shape',
    `${name}: axis ${axis} of an output of shape ${formatShape(output.shape)} is no axis of classes; expects [N, C] or [N, C, ...]`,
  )
}

/** Class weights that are [C], and none of which is negative when it runs. */
export function checkedClassWeight<W extends Tensor | undefined>(
  name: string,
  weight: W,
  classes: number,
): W {
  if (weight === undefined) return weight
  if (weight.dtype === 'float32' && sameShape(weight.shape, [classes])) {
    return notNegative(weight, weight, `${name}: weight`) as W
  }
  throw new BeyondgradError(
    'shape',
    `${name}: weight must have a number for each of the ${classes} classes, [${classes}], not ${String(weight.dtype)} ${formatShape(weight.shape)}`,
  )
}

/** [N, C, …positions] → [N, …positions, C]. */
export function classesLast(x: Tensor, axis = 1): Tensor {
  const rank = x.shape.length
  const at = axis < 0 ? axis + rank : axis
  if (at === rank - 1) return x
  return transpose(x, [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== at), at])
}

function unfit(name: string, output: Tensor, target: AnyTensor): BeyondgradError {
  const expected =
    output.shape.length === 2
      ? 'logits [N, C] and class indices [N]'
      : 'logits [N, C, ...] and class indices [N, ...], or [N, ..., C] with { axis: -1 }'
  const isSoft = sameShape(output.shape, target.shape) && target.dtype !== 'float32'
  const hint = isSoft ? '; probabilities of the classes must be float32' : ''
  return new BeyondgradError(
    'shape',
    `${name}: expects ${expected}, got ${formatShape(output.shape)} and ${formatShape(target.shape)}${hint}`,
  )
}

/** Throws unless the target has an int32 class index for each sample and position. */
export function checkIndices(name: string, output: Tensor, logits: Tensor, target: AnyTensor): void {
  if (!sameShape(target.shape, logits.shape.slice(0, -1))) throw unfit(name, output, target)
  if (target.dtype === 'int32') return
  throw new BeyondgradError(
    'dtype',
    `${name}: class indices must be int32, not ${String(target.dtype)}; use intTensor() or cast()`,
  )
}

/** Fails a run in which a target is neither a class nor the index that is ignored. */
export function guardIndices(
  name: string,
  value: Tensor,
  target: Tensor<'int32'>,
  classes: number,
  ignoreIndex: number | undefined,
): Tensor {
  const except = ignoreIndex === undefined ? {} : { except: ignoreIndex }
  return guard(value, target, {
    kind: 'range',
    what: `${name}: the target`,
    from: 0,
    below: classes,
    ...except,
  })
}

/** 0 for targets that are ignored, 1 for the others; undefined where none are. */
function keptOf(target: Tensor<'int32'>, ignoreIndex: number | undefined): Tensor | undefined {
  return ignoreIndex === undefined ? undefined : where(equal<'int32'>(target, ignoreIndex), 0, 1)
}

/** The weights of terms with class indices: of the class, of what is not ignored, of the sample; and what "mean" divides by. */
export function indexTerms(
  name: string,
  logits: Tensor,
  target: Tensor<'int32'>,
  options: Pick<CrossEntropyOptions, 'reduction' | 'sampleWeight' | 'weight' | 'ignoreIndex'>,
): LossTerms {
  const { reduction = 'mean', weight, sampleWeight, ignoreIndex } = options
  const parts: Tensor[] = []
  const kept = keptOf(target, ignoreIndex)
  if (kept !== undefined) parts.push(kept)
  if (weight !== undefined) {
    parts.push(sum(mul(indicators(logits, target), weight), [-1]))
  }
  if (sampleWeight !== undefined) parts.push(spreadWeight(name, sampleWeight, target.shape))
  if (parts.length === 0) return { reduction }
  const all = expand(
    parts.reduce((a, b) => mul(a, b)),
    target.shape,
  )
  return { reduction, weight: all, ...(reduction === 'mean' && { divisor: total(name, all) }) }
}
