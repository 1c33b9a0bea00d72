/**
 * @file Vectorisation: the graph of one example becomes the graph of many. The new axis comes first, and only what
 * depends on a batched value is lifted. The rules come in classes: elementwise, reduce, move, contract, window, gather, sort.
 */
import { type BatchRule, full, type Lift } from './batch-rule.ts'
import { expandPlainly } from './composite.ts'
import { allocate, type DType } from './dtype.ts'
import { BeyondgradError, ShapeError } from './errors.ts'
import { dependents, topologicalOrder } from './graph.ts'
import { constantOf, placeholder } from './leaf.ts'
import { type AnyTensor, build, type Tensor } from './node.ts'
import type { Attributes } from './op.ts'
import { matmul } from './ops/contract.ts'
import { type Convolution, convInput, convolutionAttribute, convWeight, convWith } from './ops/convolution.ts'
import { concat, expand, reshape, transpose } from './ops/movement.ts'
import { maxPoolJvp, maxPoolVjp } from './ops/pool.ts'
import { windowAttribute } from './ops/window.ts'
import { formatShape, normalizeAxis, type Shape } from './shape.ts'
import { gatherRules } from './vmap-gather.ts'

/**
 * Lifts a sub-graph.
 *
 * @param batched nodes and what takes their place, with a leading axis of `size`
 * @param until nodes that depend on no batched node, so that nobody need look behind them
 * @returns one result for each output; those that depend on no batched node are returned unlifted, and `isBatched`
 * says which
 */
export function lift(
  outputs: readonly AnyTensor[],
  batched: ReadonlyMap<AnyTensor, AnyTensor>,
  size: number,
  until?: ReadonlySet<AnyTensor>,
): { readonly results: AnyTensor[]; readonly isBatched: boolean[] } {
  const order = topologicalOrder(outputs, until)
  const affected = dependents(order, (node) => batched.has(node))
  const lifted = new Map(batched)
  for (const node of order) {
    if (!affected.has(node) || lifted.has(node)) continue
    // Of no examples there is nothing to compute, and an axis of size 0 can't be split off again.
    lifted.set(node, size === 0 ? nothingLike(node) : liftNode(node, lifted, size, until))
  }
  return {
    results: outputs.map((output) => lifted.get(output) ?? output),
    isBatched: outputs.map((output) => lifted.has(output)),
  }
}

function nothingLike({ shape, dtype }: AnyTensor): AnyTensor {
  return constantOf(allocate(dtype, 0), [0, ...shape], dtype)
}

function liftNode(
  node: AnyTensor,
  lifted: ReadonlyMap<AnyTensor, AnyTensor>,
  size: number,
  until?: ReadonlySet<AnyTensor>,
): AnyTensor {
  if (node.op.family === 'composite') return lift([expandPlainly(node)], lifted, size, until).results[0]!
  const rule = rules[node.op.name] ?? familyRules[node.op.family]
  if (rule === undefined) {
    throw new BeyondgradError('unsupported', `vmap: op "${node.op.name}" has no batching rule`)
  }
  return rule({
    node,
    inputs: node.inputs.map((input) => lifted.get(input) ?? input),
    batched: node.inputs.map((input) => lifted.has(input)),
    size,
  })
}

/** Gives a lifted input the rank of the result, so that it broadcasts as it did before. */
function aligned(at: Lift, i: number, rank: number): AnyTensor {
  const input = at.inputs[i]!
  if (!at.batched[i]) return input
  const inner = input.shape.slice(1)
  return reshape(input, [at.size, ...Array<number>(rank - inner.length).fill(1), ...inner])
}

const elementwise: BatchRule = (at) => {
  const rank = at.node.shape.length
  return build(
    at.node.op,
    at.inputs.map((_, i) => aligned(at, i, rank)),
    at.node.attributes,
  )
}

const reduce: BatchRule = ({ node, inputs }) =>
  build(node.op, inputs, { ...node.attributes, axes: (node.attributes.axes as number[]).map((a) => a + 1) })

/** Folds the new axis into the samples, applies the op, and unfolds it again: a free reshape on both sides. */
const intoSamples: BatchRule = (at) => {
  const folded = at.inputs.map((input, i) => (at.batched[i] ? merge(input) : input))
  return split(build(at.node.op, folded, at.node.attributes), at.size)
}

const merge = <T extends AnyTensor>(x: T): T =>
  reshape<DType>(x, [x.shape[0]! * x.shape[1]!, ...x.shape.slice(2)]) as T
const split = <T extends AnyTensor>(x: T, size: number): T =>
  reshape<DType>(x, [size, x.shape[0]! / size, ...x.shape.slice(1)]) as T

/** [B, N, C, …] → [N, B·C, …]: the new axis becomes an outer group of channels. */
function intoChannels(x: Tensor): Tensor {
  const [b, n, c, ...rest] = x.shape as [number, number, number, ...number[]]
  return reshape(transpose(x, [1, 0, ...x.shape.slice(2).map((_, i) => i + 2)]), [n, b * c, ...rest])
}

/** [N, B·C, …] → [B, N, C, …]. */
function outOfChannels(x: Tensor, size: number): Tensor {
  const [n, bc, ...rest] = x.shape as [number, number, ...number[]]
  const open = reshape(x, [n, size, bc / size, ...rest])
  return transpose(open, [1, 0, ...open.shape.slice(2).map((_, i) => i + 2)])
}

const grouped = (geometry: Convolution, size: number): Convolution => ({
  ...geometry,
  groups: geometry.groups * size,
})

const familyRules: Partial<Record<string, BatchRule>> = {
  elementwise,
  reduce,
}

const rules: Partial<Record<string, BatchRule>> = {
  cumsum: ({ node, inputs }) =>
    build(node.op, inputs, { ...node.attributes, axis: (node.attributes.axis as number) + 1 }),
  guard: ({ node, inputs }) => build(node.op, inputs, node.attributes),
  checkpoint: ({ node, inputs }) => build(node.op, inputs, node.attributes),
  turn: ({ node, inputs }) => build(node.op, inputs, node.attributes),
  reshape: ({ node, inputs, size }) => reshape(inputs[0]!, [size, ...node.shape]),
  transpose: ({ node, inputs }) =>
    transpose(inputs[0]!, [0, ...(node.attributes.permutation as number[]).map((axis) => axis + 1)]),
  expand: (at) => expand(aligned(at, 0, at.node.shape.length), [at.size, ...at.node.shape]),
  slice: ({ node, inputs, size }) => {
    const { starts, counts, steps } = node.attributes as Record<string, number[]>
    return build(node.op, inputs, {
      starts: [0, ...starts!],
      counts: [size, ...counts!],
      steps: [1, ...steps!],
    })
  },
  pad: ({ node, inputs }) => {
    const { before, after, value } = node.attributes
    return build(node.op, inputs, {
      before: [0, ...(before as number[])],
      after: [0, ...(after as number[])],
      value,
    })
  },
  concat: (at) =>
    concat(
      at.inputs.map((_, i) => full(at, i)),
      (at.node.attributes.axis as number) + 1,
    ),
  matmul: (at) => {
    const rank = at.node.shape.length
    return matmul(aligned(at, 0, rank) as Tensor, aligned(at, 1, rank) as Tensor)
  },
  unfold: intoSamples,
  fold: intoSamples,
  maxPool: intoSamples,
  avgPool: intoSamples,
  avgPoolVjp: intoSamples,
  maxPoolVjp: selection((x, t, attributes) => maxPoolVjp(x, t, windowAttribute(attributes))),
  maxPoolJvp: selection((x, t, attributes) => maxPoolJvp(x, t, windowAttribute(attributes))),
  conv: (at) => {
    if (!at.batched[1]) return intoSamples(at)
    const geometry = convolutionAttribute(at.node.attributes)
    const x = intoChannels(full(at, 0) as Tensor)
    return outOfChannels(convWith(x, merge(full(at, 1)) as Tensor, grouped(geometry, at.size)), at.size)
  },
  convInput: (at) => {
    if (!at.batched[1]) return intoSamples(at)
    const geometry = convolutionAttribute(at.node.attributes)
    const g = intoChannels(full(at, 0) as Tensor)
    const w = merge(full(at, 1)) as Tensor
    return outOfChannels(
      convInput(g, w, grouped(geometry, at.size), at.node.attributes.spatial as Shape),
      at.size,
    )
  },
  convWeight: (at) => {
    const geometry = convolutionAttribute(at.node.attributes)
    const x = intoChannels(full(at, 0) as Tensor)
    const g = intoChannels(full(at, 1) as Tensor)
    return split(convWeight(x, g, grouped(geometry, at.size)), at.size)
  },
  ...gatherRules,
}

/** Max-pool selections take leading axes as they are; only a batched x has to be folded into the samples. */
function selection(apply: (x: Tensor, t: Tensor, attributes: Attributes) => Tensor): BatchRule {
  return (at) => {
    const [x, t] = at.inputs as readonly [Tensor, Tensor]
    if (!at.batched[0]) return apply(x, t, at.node.attributes)
    // [B, lead…, N, …] → [lead…, B·N, …], as x becomes [B·N, …].
    const operand = full(at, 1) as Tensor
    const rank = operand.shape.length
    const lead = rank - x.shape.length
    const order = [...range(1, lead + 1), 0, ...range(lead + 1, rank)]
    const moved = transpose(operand, order)
    const samples = x.shape[0]! * x.shape[1]!
    const result = apply(
      merge(x),
      reshape(moved, [...moved.shape.slice(0, lead), samples, ...moved.shape.slice(lead + 2)]),
      at.node.attributes,
    )
    const open = reshape(result, [
      ...result.shape.slice(0, lead),
      at.size,
      samples / at.size,
      ...result.shape.slice(lead + 1),
    ])
    return transpose(open, [lead, ...range(0, lead), ...range(lead + 1, open.shape.length)])
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/**
 * The function of one example, applied to many at once: `vmap(f)(xs)[i] = f(xs[i])`.
 *
 * @param fn works on tensors without the batch axis
 * @param axes the batch axis of each argument, or null for one that all examples share; default 0 for all
 * @returns a function whose results have the batch axis first
 */
export function vmap<A extends readonly AnyTensor[], R extends AnyTensor>(
  fn: (...inputs: A) => R,
  axes?: readonly (number | null)[],
): (...inputs: A) => R {
  return (...inputs) => {
    let size: number | undefined
    const batched = new Map<AnyTensor, AnyTensor>()
    const examples = inputs.map((input, i) => {
      const wanted = axes === undefined ? 0 : (axes[i] ?? null)
      if (wanted === null) return input
      const axis = normalizeAxis('vmap', wanted, input.shape.length)
      size ??= input.shape[axis]!
      if (input.shape[axis] !== size) {
        throw new ShapeError(
          'vmap',
          `argument ${i} of shape ${formatShape(input.shape)} has ${input.shape[axis]} examples on axis ${axis}, the others ${size}`,
        )
      }
      const example = placeholder(input.shape.toSpliced(axis, 1), input.dtype, `vmap argument ${i}`)
      batched.set(
        example,
        transpose(input, [axis, ...range(0, input.shape.length).filter((j) => j !== axis)]),
      )
      return example
    })
    if (size === undefined) throw new ShapeError('vmap', 'no argument has a batch axis')
    const result = fn(...(examples as unknown as A))
    const { results, isBatched } = lift([result], batched, size)
    const [out] = results
    return (isBatched[0] ? out! : expand(out!, [size, ...out!.shape])) as R
  }
}
