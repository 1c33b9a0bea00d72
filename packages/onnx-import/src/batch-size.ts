/**
 * @file Batch sizes that an export has written into constants, as targets of Reshape and shapes of Expand. Where the labels of the
 * sample axis prove which number it is, the size of the batch at hand takes its place.
 */
import type { AxisLabel } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  expand,
  reshape,
  type Shape,
  sizeOf,
  slice,
} from '@beyondgrad/tensor'
import { type Node, titleOf } from './graph.ts'
import { reasonOf } from './import-error.ts'
import { knownData } from './known.ts'
import { OperatorCall, type OperatorResult } from './operator.ts'
import { targetShape } from './operators/movement.ts'
import type { SampleLabels } from './sample-labels.ts'

/** One call of a model at a batch size. */
export interface BatchOfCall {
  /** The batch size that the file declares; undefined if it says that any will do. */
  readonly exported: number | undefined
  readonly labels: SampleLabels
  /** Whether an input of a node is written in the file, or computed from what is. */
  readonly isWritten: (node: Node, input: number) => boolean
  /** What an Expand of the file has brought to the batch size of the export, and along which axis, from the end. */
  readonly expanded: Map<AnyTensor, number>
  readonly note: (message: string) => void
}

const hint = 'the file was exported for'

/** Runs a node with the batch size at hand where the file has its own. */
export function withBatchSize(
  call: OperatorCall,
  build: (call: OperatorCall) => OperatorResult,
  batch: BatchOfCall,
): OperatorResult {
  const { domain, operator } = call.node
  const { exported, labels, isWritten } = batch
  if (domain !== '' || exported === labels.samples) return build(call)
  if (operator === 'Reshape') return reshaped(call, build, batch)
  if (exported === undefined) return build(call)
  if (operator === 'Expand' && isWritten(call.node, 1)) {
    const result = build(call) as AnyTensor
    const axes = call.integers(1)!.flatMap((size, i, all) => (size === exported ? [i - all.length] : []))
    if (axes.length === 1 && labels.of(result) === undefined) batch.expanded.set(result, axes[0]!)
    return result
  }
  try {
    return build(call)
  } catch (error) {
    const repaired = withRepeated(call, build, batch, exported)
    if (repaired !== undefined) return repaired
    // A body has said so already.
    if (reasonOf(error).includes(hint)) throw error
    const code = error instanceof BeyondgradError ? error.code : 'data'
    throw new BeyondgradError(
      code,
      `${reasonOf(error)}; ${hint} ${exported} samples and is called with ${labels.samples}, and a constant here may hold that size: give ${exported} samples, or export with a free batch axis`,
      { cause: error },
    )
  }
}

/**
 * Runs a node that does not fit the samples with what is the same for every sample of the export: constants whose slices are
 * all equal, and what was expanded to the batch size of the export.
 */
function withRepeated(
  call: OperatorCall,
  build: (call: OperatorCall) => OperatorResult,
  batch: BatchOfCall,
  exported: number,
): OperatorResult | undefined {
  const rank = Math.max(...call.inputs.map((x) => x?.shape.length ?? 0))
  for (let axis = 0; axis < rank; axis++) {
    const inputs = call.inputs.map((x) => x && repeated(x, axis, batch, exported))
    if (inputs.every((x, i) => x === call.inputs[i])) continue
    try {
      const result = build(new OperatorCall(call.node, inputs, call.body))
      batch.note(
        `${titleOf(call.node)}: an input holds the same ${exported} times, once a sample of the export; it is repeated for the batch at hand`,
      )
      return result
    } catch {
      // Another axis may fit.
    }
  }
  return undefined
}

function repeated(
  x: AnyTensor,
  axis: number,
  { expanded, labels }: BatchOfCall,
  exported: number,
): AnyTensor {
  if (x.shape[axis] !== exported) return x
  const isExpanded = expanded.get(x) === axis - x.shape.length
  if (!isExpanded && !isSameAlong(x, axis)) return x
  return expand(slice(x, axis, 0, 1), x.shape.with(axis, labels.samples))
}

/** Whether all slices of a known tensor along an axis are equal. */
function isSameAlong(x: AnyTensor, axis: number): boolean {
  const data = knownData(x)
  if (data === undefined) return false
  const inner = sizeOf(x.shape.slice(axis + 1))
  const block = inner * x.shape[axis]!
  return data.every((value, i) => {
    const first = Math.floor(i / block) * block + (i % inner)
    return value === data[first]
  })
}

function reshaped(
  call: OperatorCall,
  build: (call: OperatorCall) => OperatorResult,
  batch: BatchOfCall,
): OperatorResult {
  const { samples } = batch.labels
  const x = call.any(0)
  const written = call.has(1) ? batch.isWritten(call.node, 1) : true
  const label = written && x.shape.length > 0 ? batch.labels.of(x) : undefined
  if (label === undefined || label === 'lost') return build(call)
  const target = call.list('shape', 1)!
  const size = batch.exported ?? sizeThatFits(call, target, x.shape, samples)
  if (size === undefined) {
    const result = build(call) as AnyTensor
    if (batch.labels.of(result) === 'lost' && samples > 1) {
      call.fail(
        `with ${samples} samples the target [${target.join(', ')}] puts several of them into one row: it holds a batch size of the export that can't be told from it; export with a free batch axis, or give that many samples`,
      )
    }
    return result
  }
  if (size === samples) return build(call)
  const shape = rewritten(call, target, x.shape, label, size, samples)
  if (shape === undefined) {
    call.fail(
      `the target [${target.join(', ')}] holds the batch size ${size} of the export, and no entry of it can be told to count the samples, of which there are ${samples} now: give ${size} samples, or export with a free batch axis`,
    )
  }
  // An entry that is 0 or -1 follows the batch by itself.
  if (!shape.some((extent, axis) => target[axis]! > 0 && extent !== target[axis])) return build(call)
  batch.note(
    `${titleOf(call.node)}: the target [${target.join(', ')}] holds the batch size ${size} of the export; it is computed from the batch at hand`,
  )
  return reshape(x, shape)
}

/** The batch size at which a target without free entries fits the tensor. */
function sizeThatFits(
  call: OperatorCall,
  target: readonly number[],
  shape: Shape,
  samples: number,
): number | undefined {
  if (target.includes(-1)) return undefined
  const wanted = sizeOf(targetShape(call, target, shape))
  const size = (wanted * samples) / sizeOf(shape)
  return Number.isInteger(size) && size >= 1 ? size : undefined
}

/** The target for another number of samples, found where the export has its own. */
function rewritten(
  call: OperatorCall,
  target: readonly number[],
  shape: Shape,
  label: AxisLabel,
  exported: number,
  samples: number,
): number[] | undefined {
  const before = shape.map((size, axis) =>
    axis === label.axis ? label.outer * exported * label.inner : size,
  )
  const then = targetShape(call, target, before)
  if (sizeOf(then) !== sizeOf(before)) return undefined
  const outer = sizeOf(before.slice(0, label.axis)) * label.outer
  const inner = label.inner * sizeOf(before.slice(label.axis + 1))
  // With one sample several axes fit: one that holds just the samples, else one with the least before them.
  const fitting = then.flatMap((size, axis) => {
    const around = [outer / sizeOf(then.slice(0, axis)), inner / sizeOf(then.slice(axis + 1))] as const
    return around.every((n) => Number.isInteger(n) && n >= 1) && around[0] * exported * around[1] === size
      ? [{ axis, outer: around[0], inner: around[1] }]
      : []
  })
  const found =
    fitting.find((each) => each.outer === 1 && each.inner === 1) ??
    fitting.toSorted((a, b) => Math.abs(a.outer - label.outer) - Math.abs(b.outer - label.outer))[0]
  return found && then.with(found.axis, found.outer * samples * found.inner)
}
