/** @file Convolutions and their two partners. */
import { type Convolution, type Shape, sizeOf, type Window } from '@beyondgrad/tensor'
import { full } from './arrange.ts'
import { product } from './contract.ts'
import type { Emitter, Value } from './emitter.ts'
import type { Rule, Rules } from './rule.ts'
import { folded, unfolded, windowAttributes, windowOfNode } from './window.ts'

const groupsOf = (window: Window): number => (window as Convolution).groups

const conv: Rule = (node, [x, w], { emit }) => {
  const window = windowOfNode(node)
  const groups = groupsOf(window)
  if (x!.shape.includes(0) || w!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  if (node.dtype === 'float32' && window.kernel.length > 0) {
    return emit.op('Conv', [x, w], node, { ...windowAttributes(window), group: groups })
  }
  const [out, inner] = w!.shape
  const elements = sizeOf(window.kernel)
  const columns = unfolded(emit, x!, window)
  const [samples, places] = [columns.shape[0]!, columns.shape[3]!]
  const y = product(
    emit,
    emit.reshape(w!, [groups, out! / groups, inner! * elements]),
    emit.reshape(columns, [samples, groups, inner! * elements, places]),
  )
  return emit.reshape(y, node.shape)
}

const convInput: Rule = (node, [g, w], { emit }) => {
  const window = windowOfNode(node)
  if (g!.shape.includes(0) || w!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const groups = groupsOf(window)
  const [out, inner] = w!.shape
  const rows = inner! * sizeOf(window.kernel)
  const samples = g!.shape[0]!
  const places = sizeOf(g!.shape.slice(2))
  const columns = product(
    emit,
    emit.reshape(w!, [...grouped(groups), out! / groups, rows]),
    emit.reshape(g!, [samples, ...grouped(groups), out! / groups, places]),
    { a: true },
  )
  const flat = emit.reshape(columns, [samples, groups * rows, places])
  return folded(emit, flat, window, node.attributes.spatial as Shape)
}

/** The axis of the groups, where there are several. */
const grouped = (groups: number): number[] => (groups === 1 ? [] : [groups])

const convWeight: Rule = (node, [x, g], lowering) => {
  const { emit } = lowering
  const window = windowOfNode(node)
  if (x!.shape.includes(0) || g!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const groups = groupsOf(window)
  const [out, inner] = node.shape
  const columns = channelMajor(emit, x!, window)
  const cotangent = samplesLast(emit, g!)
  const sizes = columns.shape[1]!
  const w = product(
    emit,
    emit.reshape(cotangent, [groups, out! / groups, sizes]),
    emit.reshape(columns, [groups, inner! * sizeOf(window.kernel), sizes]),
    { b: true },
  )
  return emit.reshape(w, node.shape)
}

/** Unfolded, channels first: [channels × elements, samples × positions]. */
function channelMajor(emit: Emitter, x: Value, window: Window): Value {
  const swapped = emit.transpose(x, channelsFirst(x.shape.length))
  const [channels, elements, samples, places] = unfolded(emit, swapped, window, 1).shape
  return emit.reshape(unfolded(emit, swapped, window, 1), [channels! * elements!, samples! * places!])
}

/** [N, O, ...positions] → [O, N × positions]. */
function samplesLast(emit: Emitter, g: Value): Value {
  const swapped = emit.transpose(g, channelsFirst(g.shape.length))
  return emit.reshape(swapped, [g.shape[1]!, sizeOf(g.shape) / g.shape[1]!])
}

function channelsFirst(rank: number): number[] {
  return [1, 0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2)]
}

export const convolutionRules: Rules = { conv, convInput, convWeight }
