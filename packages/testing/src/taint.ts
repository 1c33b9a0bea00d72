/**
 * @file An interpreter of who depends on whom: for every entry of every node the set of samples that it depends on,
 * as a bit mask. It shares nothing with the label rules of autograd. Movement is interpreted by moving masks with the
 * op's own kernel, (multi)linear ops by running their kernels on indicators, and an op that it doesn't know by
 * changing a sample's entries and watching which results change.
 */
import { type AnyTensor, type Dense, type HostArray, type Shape, sizeOf, stridesOf } from '@beyondgrad/tensor'
import { type Numbers, numbers } from './random-numbers.ts'

/** Which samples an entry depends on: bit n for sample n; 0 for none. */
export type Taint = Int32Array

/** Masks have as many usable bits. */
export const mostSamples = 30

/**
 * Taints of all nodes from those of some; leaves without one depend on no sample.
 *
 * @param order inputs before users; of composites only those that stand for something
 * @param values of all nodes; only ops that are not known here look at them
 * @param standsFor composites and what they are, which comes before them in the order
 */
export function taintsOf(
  order: readonly AnyTensor[],
  known: ReadonlyMap<AnyTensor, Taint>,
  samples: number,
  values: ReadonlyMap<AnyTensor, HostArray>,
  standsFor: ReadonlyMap<AnyTensor, AnyTensor>,
): Map<AnyTensor, Taint> {
  const taints = new Map(known)
  for (const node of order) {
    if (taints.has(node)) continue
    const meaning = standsFor.get(node)
    if (meaning !== undefined) {
      taints.set(node, taints.get(meaning)!)
      continue
    }
    const inputs = node.inputs.map((input) => taints.get(input)!)
    const untouched = inputs.every((taint) => taint.every((mask) => mask === 0))
    taints.set(node, untouched ? new Int32Array(sizeOf(node.shape)) : flow(node, inputs, samples, values))
  }
  return taints
}

const multilinear = new Set([
  'cumsum',
  'matmul',
  'conv',
  'convInput',
  'convWeight',
  'unfold',
  'fold',
  'avgPool',
  'avgPoolVjp',
  'maxPool',
])

function flow(
  node: AnyTensor,
  inputs: readonly Taint[],
  samples: number,
  values: ReadonlyMap<AnyTensor, HostArray>,
): Taint {
  if (node.op.family === 'guard') return inputs[0]!
  if (node.op.family === 'movement') return throughKernel(node, inputs)
  if (node.op.family === 'elementwise') return broadcast(node, inputs)
  if (node.op.family === 'reduce') return reduced(node, inputs[0]!)
  if (node.op.name === 'gather' || node.op.name === 'gatherElements') return taken(node, inputs, values)
  if (node.op.name === 'scatterAdd' || node.op.name === 'scatterElementsAdd') {
    return added(node, inputs, samples, values)
  }
  if (multilinear.has(node.op.name)) return throughIndicators(node, inputs, samples)
  return throughChanges(node, inputs, samples, values)
}

function throughKernel(node: AnyTensor, inputs: readonly Taint[]): Taint {
  const dense: Dense[] = inputs.map((data, i) => ({ shape: node.inputs[i]!.shape, dtype: 'int32', data }))
  const attributes = node.op.name === 'pad' ? { ...node.attributes, value: 0 } : node.attributes
  return node.op.kernel!(dense, attributes, { shape: node.shape, dtype: 'int32' }) as Int32Array
}

/** The position in a tensor of shape `from` that broadcasts to position `index` of `to`. */
function broadcastPosition(index: number, to: Shape, from: Shape): number {
  const [outer, inner] = [stridesOf(to), stridesOf(from)]
  const shift = to.length - from.length
  let at = 0
  for (let axis = 0; axis < from.length; axis++) {
    const coordinate = Math.floor(index / outer[axis + shift]!) % to[axis + shift]!
    if (from[axis] !== 1) at += coordinate * inner[axis]!
  }
  return at
}

function broadcast(node: AnyTensor, inputs: readonly Taint[]): Taint {
  return Int32Array.from({ length: sizeOf(node.shape) }, (_, index) =>
    inputs.reduce(
      (mask, taint, i) => mask | taint[broadcastPosition(index, node.shape, node.inputs[i]!.shape)]!,
      0,
    ),
  )
}

function reduced(node: AnyTensor, input: Taint): Taint {
  const axes = node.attributes.axes as readonly number[]
  const shape = node.inputs[0]!.shape
  const kept = shape.map((d, axis) => (axes.includes(axis) ? 1 : d))
  const result = new Int32Array(sizeOf(kept))
  input.forEach((mask, index) => (result[broadcastPosition(index, shape, kept)]! |= mask))
  return result
}

const dense = (node: AnyTensor, data: HostArray): Dense => ({ shape: node.shape, dtype: node.dtype, data })

/** What is read and the position that it is read at. */
function taken(
  node: AnyTensor,
  [data, positions]: readonly Taint[],
  values: ReadonlyMap<AnyTensor, HostArray>,
): Taint {
  const [x, indices] = node.inputs as [AnyTensor, AnyTensor]
  const at = dense(indices, values.get(indices)!)
  const result = node.op.kernel!([dense(x, data!), at], node.attributes, {
    shape: node.shape,
    dtype: 'int32',
  }) as Int32Array
  return result.map((mask, i) => mask | positions![positionOf(node, i)]!)
}

/** Which index decides on element i of the side that has the places. */
function positionOf({ op, attributes, inputs }: AnyTensor, i: number): number {
  if (op.name.includes('Elements')) return i
  const [axis, indices] = [attributes.axis as number, inputs[1]!]
  const side = op.name === 'gather' ? inputs[0]!.shape.slice(axis + 1) : undefined
  const after = side ?? inputs[0]!.shape.slice(axis + indices.shape.length)
  return Math.floor(i / sizeOf(after)) % sizeOf(indices.shape)
}

/** What is added, and everywhere that another position could have put it. */
function added(
  node: AnyTensor,
  [updates, positions]: readonly Taint[],
  samples: number,
  values: ReadonlyMap<AnyTensor, HostArray>,
): Taint {
  const [x, indices] = node.inputs as [AnyTensor, AnyTensor]
  const result = new Int32Array(sizeOf(node.shape))
  const size = node.attributes.size as number
  const own = values.get(indices)! as Int32Array
  for (let sample = 0; sample < samples; sample++) {
    const bit = 1 << sample
    for (let to = 0; to < size; to++) {
      // Positions that depend on the sample may be any.
      const moved = own.map((at, i) => (positions![i]! & bit ? to : at))
      const isTouched = (i: number): boolean =>
        ((updates![i]! | positions![positionOf(node, i)]!) & bit) !== 0
      const data = Float64Array.from(updates!, (_, i) => (isTouched(i) ? 1 : 0))
      const reached = node.op.kernel!(
        [{ shape: x.shape, dtype: 'float32', data }, dense(indices, moved)],
        node.attributes,
        { shape: node.shape, dtype: 'float32' },
      ) as Float64Array
      reached.forEach((value, index) => {
        if (value > 0) result[index]! |= bit
      })
    }
  }
  return result
}

/** Non-negative operands can't cancel: an entry is positive exactly if something that counts for it is. */
function throughIndicators(node: AnyTensor, inputs: readonly Taint[], samples: number): Taint {
  const result = new Int32Array(sizeOf(node.shape))
  const ones = node.inputs.map(({ shape }) => new Float64Array(sizeOf(shape)).fill(1))
  for (let sample = 0; sample < samples; sample++) {
    inputs.forEach((taint, changed) => {
      if (!taint.some((mask) => mask & (1 << sample))) return
      const dense: Dense[] = node.inputs.map(({ shape }, i) => ({
        shape,
        dtype: 'float32',
        data: i === changed ? Float64Array.from(taint, (mask) => (mask >> sample) & 1) : ones[i]!,
      }))
      const reached = node.op.kernel!(dense, node.attributes, node) as Float64Array
      reached.forEach((value, index) => {
        if (value > 0) result[index]! |= 1 << sample
      })
    })
  }
  return result
}

/** How often entries are changed to see who notices. */
const rounds = 6

function throughChanges(
  node: AnyTensor,
  inputs: readonly Taint[],
  samples: number,
  values: ReadonlyMap<AnyTensor, HostArray>,
): Taint {
  const random = numbers(node.hash)
  const result = new Int32Array(sizeOf(node.shape))
  const original = node.inputs.map((input) => values.get(input)!)
  const compute = (data: readonly HostArray[]): HostArray => {
    const dense = node.inputs.map(({ shape, dtype }, i) => ({ shape, dtype, data: data[i]! }))
    return node.op.kernel!(dense, node.attributes, node)
  }
  for (let round = 0; round < rounds; round++) {
    // The shared entries change from round to round, too: a maximum may hide what is below it.
    const base = original.map((data) => shaken(data, random, () => round > 0))
    const before = compute(base)
    for (let sample = 0; sample < samples; sample++) {
      const changed = base.map((data, i) =>
        shaken(data, random, (index) => ((inputs[i]![index]! >> sample) & 1) === 1),
      )
      compute(changed).forEach((value: number | bigint, index: number) => {
        if (!Object.is(value, before[index])) result[index]! |= 1 << sample
      })
    }
  }
  return result
}

function shaken(data: HostArray, random: Numbers, is: (index: number) => boolean): HostArray {
  if (data instanceof BigInt64Array) return data
  return data.map((value, index) => (is(index) ? value + 4 * random.next() - 2 : value))
}
