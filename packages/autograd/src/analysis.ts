/**
 * @file What `backward` knows about a loss before any extension speaks: its marked losses and their scales, the
 * parameters, the sample axes, the boundaries, and the cotangent of every node.
 */
import {
  add,
  type AnyTensor,
  BeyondgradError,
  dependents,
  formatShape,
  guard,
  isFloat,
  isTensor,
  ones,
  placeholder,
  sizeOf,
  substitute,
  type Tensor,
  topologicalOrder,
  zeros,
} from '@beyondgrad/tensor'
import type { Boundary } from './layouts/index.ts'
import type { ParameterPath } from './parameter-path.ts'
import { parametersOf } from './dependence.ts'
import { lossOf, lossParts, lossScale, lossTotal, type Reduction, type Scale } from './loss.ts'
import type { CurvedLoss } from './loss-columns.ts'
import type { Parameter, ParameterMap } from './parameter.ts'
import { cotangentsOf, expandForDerivatives, pullBack } from './pullback.ts'
import { findSampleAxes, requireLabel, requireOutputs, type SampleAxes } from './sample-axis.ts'

/** A marked loss: where it looks, and what its terms are multiplied with in the whole. */
export interface MarkedLoss extends CurvedLoss {
  /** d whole / d Σ w ℓ: the 1 / terms of a mean, times whatever the loss was multiplied with. A scalar. */
  readonly scale: Tensor
  /** The two apart: 1 / terms or 1 / Σ w under "mean", 1 under "sum"; and what the loss was multiplied with. */
  readonly normalizer: Scale
  readonly factor: Tensor
  readonly reduction: Reduction
}

/** A boundary together with the parameters behind it. */
export interface Entrance extends Boundary {
  readonly paths: readonly (ParameterPath & { readonly parameter: Parameter })[]
}

/** What flows work with. */
export interface Analysis {
  readonly losses: readonly MarkedLoss[]
  /** N. */
  readonly samples: number
  /** 1 / terms (or 1 / Σ weights) of the first loss under "mean", 1 under "sum". */
  readonly normalizer: Scale
  readonly parameters: readonly Parameter[]
  /** Names of parameters with a term to themselves, which belongs to no sample. */
  readonly regularized: readonly string[]
  /** The graph up to the losses' outputs, inputs first, without composites. */
  readonly order: readonly AnyTensor[]
  /** Nodes that depend on a parameter. */
  readonly affected: ReadonlySet<AnyTensor>
  readonly axes: SampleAxes
  /** The parameter as it occurs in the graph. */
  leaf(parameter: Parameter): AnyTensor
  /** The ordinary gradient. */
  gradient(parameter: Parameter): Tensor
  /** The cotangent of a node, d whole / d node. */
  cotangent(node: AnyTensor): Tensor | undefined
  /** Throws if there is no marked loss, or terms of parameters alone that are not to be ignored; `what` asked. */
  demandMarkedLosses(what: string): void
  /** All boundaries; throws if samples mix on the way, naming the op and `what` asked. */
  entrances(what: string): readonly Entrance[]
  /** Leaves of the parameters upstream of a node. */
  upstream(node: AnyTensor): ReadonlySet<AnyTensor>
}

export interface AnalysisOptions {
  /** Default: every trainable parameter that the loss depends on. */
  readonly parameters?: ParameterMap<Parameter> | readonly Parameter[] | undefined
  /** Leaves whose samples are not on the axis that the labels find. */
  readonly samples?: ReadonlyMap<AnyTensor, number> | undefined
  /** What becomes of terms of parameters alone where samples and curvature are asked for. Default: 'refuse'. */
  readonly regularizers?: 'refuse' | 'ignore' | undefined
}

const isLoss = (node: AnyTensor): boolean => lossOf(node) !== undefined

/** Analyses a loss; throws where it is no number, depends on no parameter or is no linear combination of marked losses. */
export function analyse(loss: Tensor, options: AnalysisOptions = {}): Analysis {
  // A tensor of another protocol is told so.
  if (!isTensor(loss)) {
    throw new BeyondgradError('value', `backward: the loss must be a tensor, not ${typeof loss}`)
  }
  if (sizeOf(loss.shape) !== 1) {
    throw new BeyondgradError(
      'shape',
      `backward: the loss must be one number, not a tensor of shape ${formatShape(loss.shape)}`,
    )
  }
  const [whole] = expandForDerivatives([loss], isLoss) as [Tensor]
  const found = parametersOf([whole], options.parameters)
  if (found.size === 0) {
    throw new BeyondgradError('value', 'backward: the loss depends on no trainable parameter')
  }
  const leafOf = new Map([...found].map(([parameter, leaf]) => [parameter.cell as object, leaf]))
  const leaves = new Set(leafOf.values())
  const affectedByLeaf = (order: readonly AnyTensor[]): Set<AnyTensor> =>
    dependents(order, (node) => leaves.has(node))

  const { losses: unguarded, extra, marked, affected: inWhole } = scaledLosses(whole, leaves)
  demandFreeTargets(marked, inWhole)

  const outputs = unguarded.map(({ output }) => output)
  const order = topologicalOrder(outputs)
  const affected = affectedByLeaf(order)
  const samples = samplesOf(unguarded)
  demandMembers(options.samples?.keys() ?? [], order)
  const axes = findSampleAxes(order, outputs, samples, options.samples)
  const data = order.filter((node) => holdsNumbers(node) && axes.of(node) !== undefined)
  const losses = unguarded.map((at) => demandNumbers(at, data))
  const sources = losses.map((at) => [at.output, lossCotangent(at)] as const)

  let swept: Map<AnyTensor, Tensor> | undefined
  const cotangents = (): Map<AnyTensor, Tensor> => (swept ??= cotangentsOf(sources, order, affected))
  const upstreamOf = new Map<AnyTensor, ReadonlySet<AnyTensor>>()
  const upstream = (node: AnyTensor): ReadonlySet<AnyTensor> => {
    let known = upstreamOf.get(node)
    if (known === undefined) {
      known = new Set(topologicalOrder([node]).filter((x) => leaves.has(x)))
      upstreamOf.set(node, known)
    }
    return known
  }
  let entrances: readonly Entrance[] | undefined
  const demandLosses = (what: string): void => {
    const isRefused = options.regularizers !== 'ignore'
    const alone = [...found].filter(([, leaf]) => isRefused && extra.has(leaf)).map(([{ name }]) => name)
    demandMarkedLosses(what, losses, alone)
  }
  return {
    losses,
    samples,
    normalizer: losses[0]?.normalizer ?? { known: 1, value: ones([]) },
    regularized: [...found].filter(([, leaf]) => extra.has(leaf)).map(([{ name }]) => name),
    parameters: [...found].map(([parameter]) => parameter),
    order,
    affected,
    axes,
    upstream,
    leaf: (parameter) => leafOf.get(parameter.cell)!,
    gradient: (parameter) => {
      const leaf = leafOf.get(parameter.cell)!
      const parts = [cotangents().get(leaf), extra.get(leaf)].filter((x) => x !== undefined)
      return parts.length === 0 ? zeros(leaf.shape) : parts.reduce((a, b) => add(a, b))
    },
    cotangent: (node) => cotangents().get(node),
    demandMarkedLosses: demandLosses,
    entrances: (what) => {
      demandLosses(what)
      requireOutputs(axes, outputs, samples, what)
      return (entrances ??= findEntrances(what, order, affected, axes, samples, found))
    },
  }
}

/**
 * The marked losses that a loss is a linear combination of, and how each is scaled: none where none depends on the parameters. Throws
 * `not-a-loss` where they enter it in another way.
 *
 * @param parameters default: every trainable parameter that the loss depends on
 */
export function markedLosses(
  loss: Tensor,
  parameters?: AnalysisOptions['parameters'],
): readonly MarkedLoss[] {
  const [whole] = expandForDerivatives([loss], isLoss) as [Tensor]
  const leaves = [...parametersOf([whole], parameters)].map(([, leaf]) => leaf)
  return scaledLosses(whole, new Set(leaves)).losses
}

/** The marked losses of an expanded loss, and what it has of parameters alone. */
function scaledLosses(
  whole: Tensor,
  leaves: ReadonlySet<AnyTensor>,
): ReturnType<typeof scaleLosses> & {
  readonly marked: readonly AnyTensor[]
  /** What of the whole depends on a leaf. */
  readonly affected: ReadonlySet<AnyTensor>
} {
  const order = topologicalOrder([whole])
  const affected = dependents(order, (node) => leaves.has(node))
  const marked = order.filter((node) => isLoss(node) && affected.has(node))
  return { ...scaleLosses(whole, marked, [...leaves]), marked, affected }
}

function demandFreeTargets(marked: readonly AnyTensor[], affected: ReadonlySet<AnyTensor>): void {
  const bound = marked.find((node) => node.inputs.slice(1).some((input) => affected.has(input)))
  if (bound === undefined) return
  const what = affected.has(bound.inputs[1]!) ? 'target' : 'weight'
  throw new BeyondgradError(
    'unsupported',
    `backward: the ${what} of ${bound.op.name} depends on a parameter; hold() it first`,
  )
}

function demandMembers(leaves: Iterable<AnyTensor>, order: readonly AnyTensor[]): void {
  for (const leaf of leaves) {
    if (order.includes(leaf)) continue
    throw new BeyondgradError(
      'value',
      `samples: names a tensor of shape ${formatShape(leaf.shape)} that the loss does not depend on`,
    )
  }
}

/** Throws where a part of the loss, or all of it, belongs to no sample; `alone` are parameters with a term to themselves. */
function demandMarkedLosses(what: string, losses: readonly MarkedLoss[], alone: readonly string[]): void {
  if (losses.length === 0) {
    throw new BeyondgradError(
      'not-a-loss',
      `${what}: the loss contains no marked loss such as crossEntropy or mseLoss, so that samples and curvature are unknown`,
    )
  }
  if (alone.length > 0) {
    throw new BeyondgradError(
      'not-a-loss',
      `${what}: the loss has terms of parameters alone (${alone.join(', ')}) that belong to no sample; leave them out of the loss for this quantity, or say backward(…, { regularizers: 'ignore' })`,
    )
  }
}

/** Replaces the marked losses by placeholders, in which the whole must be linear, and reads off their scales. */
function scaleLosses(
  whole: Tensor,
  marked: readonly AnyTensor[],
  leaves: readonly AnyTensor[],
): { readonly losses: MarkedLoss[]; readonly extra: ReadonlyMap<AnyTensor, Tensor> } {
  const slots = marked.map((node) => placeholder(node.shape, 'float32', 'loss'))
  const [combination] = substitute([whole], new Map(marked.map((node, i) => [node, slots[i]!])))
  const results = pullBack([[combination!, ones(whole.shape)]], [...slots, ...leaves])
  const isSlot = new Set<AnyTensor>(slots)
  const losses = marked.map((node, i) => {
    const factor = results[i] ?? zeros([])
    if (dependents(topologicalOrder([factor]), (x) => isSlot.has(x) || leaves.includes(x)).size > 0) {
      throw new BeyondgradError(
        'not-a-loss',
        `backward: the loss must be a linear combination of marked losses, but ${node.op.name} enters it in another way`,
      )
    }
    const normalizer = lossScale(node)
    const scale = factor.mul(normalizer.known ?? normalizer.value)
    const reduction = node.attributes.reduction as Reduction
    return { definition: lossOf(node)!, ...lossParts(node), scale, normalizer, factor, reduction }
  })
  const extra = new Map<AnyTensor, Tensor>()
  leaves.forEach((leaf, i) => {
    const cotangent = results[slots.length + i]
    if (cotangent !== undefined) extra.set(leaf, cotangent)
  })
  return { losses, extra }
}

const holdsNumbers = (node: AnyTensor): boolean =>
  (node.op.name === 'data' || node.op.name === 'placeholder') && isFloat(node.dtype)

/** A NaN among the data would spread to every parameter: it is reported instead, by the scale of the loss. */
function demandNumbers(at: MarkedLoss, data: readonly AnyTensor[]): MarkedLoss {
  const inputs = data.map((leaf) => [leaf, 'the input'] as const)
  const extra = at.weight === undefined ? [at.target] : [at.target, at.weight]
  const targets = topologicalOrder(extra)
    .filter(holdsNumbers)
    .map((leaf) => [leaf, 'the target'] as const)
  const scale = [...inputs, ...targets].reduce(
    (guarded, [leaf, what]) => guard(guarded, leaf, { kind: 'not-nan', what }),
    at.scale,
  )
  return { ...at, scale }
}

function samplesOf(losses: readonly MarkedLoss[]): number {
  const sizes = losses.map(({ output }) => output.shape[0]!)
  const other = sizes.find((size) => size !== sizes[0])
  if (other !== undefined) {
    throw new BeyondgradError(
      'shape',
      `backward: the losses look at ${sizes[0]} and ${other} samples; they must agree`,
    )
  }
  return sizes[0] ?? 1
}

/** The cotangent of a loss's output. */
function lossCotangent(loss: MarkedLoss): Tensor {
  return slopeAt(loss, loss.scale)
}

/** w ∇ℓ of every sample with respect to its output, without the scale of the whole: [...output.shape]. */
export function lossSlope(loss: MarkedLoss): Tensor {
  return slopeAt(loss, ones([]))
}

function slopeAt({ definition, output, target, weight }: MarkedLoss, scale: Tensor): Tensor {
  const stand = placeholder(output.shape, 'float32', 'output')
  const [value] = expandForDerivatives([lossTotal(definition, { output: stand, target, weight })])
  const [cotangent] = pullBack([[value!, scale]], [stand])
  return substitute([cotangent ?? zeros(output.shape)], new Map([[stand, output]]))[0] as Tensor
}

/** All boundaries of a graph. */
export function findEntrances(
  what: string,
  order: readonly AnyTensor[],
  affected: ReadonlySet<AnyTensor>,
  axes: SampleAxes,
  samples: number,
  found: ParameterMap<AnyTensor>,
): Entrance[] {
  const entrances: Entrance[] = []
  for (const node of order) {
    if (!affected.has(node) || node.inputs.length === 0) continue
    const label = requireLabel(axes, node, what)
    if (label === undefined) continue
    node.inputs.forEach((operand, i) => {
      if (!affected.has(operand) || requireLabel(axes, operand, what) !== undefined) return
      const behind = new Set(topologicalOrder([operand]))
      const paths = [...found]
        .filter(([, leaf]) => behind.has(leaf))
        .map(([parameter, leaf]) => ({ parameter, leaf, operand }))
      entrances.push({ node, operand: i, label, samples, paths })
    })
  }
  return entrances
}
