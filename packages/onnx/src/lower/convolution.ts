/** @file Convolutions and their two partners, each with the samples first or last in memory. */
import { type AnyTensor, type Convolution, type Shape, sizeOf } from '@beyondgrad/tensor'
import { full } from './arrange.ts'
import { product } from './contract.ts'
import type { Emitter, Value } from './emitter.ts'
import type { Rule, Rules } from './rule.ts'
import {
  convInputSamplesLast,
  convSamplesLast,
  convWeightSamplesLast,
  isSamplesLast,
  prefersSamplesLast,
  samplesFirst,
  samplesLast,
} from './samples-last.ts'
import { folded, unfolded, windowAttributes } from './window.ts'

const convolutionOf = (node: AnyTensor): Convolution => node.attributes as unknown as Convolution

/** A convolution node, with a bias of one number an output channel if there is one. */
export function convolution(emit: Emitter, node: AnyTensor, x: Value, w: Value, bias?: Value): Value {
  const geometry = convolutionOf(node)
  const positions = node.shape.slice(2)
  if (prefersSamplesLast(emit, x, geometry)) {
    const y = convSamplesLast(emit, samplesLast(emit, x), w, bias, geometry, positions)
    return samplesFirst(emit, y)
  }
  const inputs = bias === undefined ? [x, w] : [x, w, bias]
  return emit.op('Conv', inputs, node, { ...windowAttributes(geometry), group: geometry.groups })
}

/** Whether ONNX Runtime has a kernel for a convolution. */
export function isNative(node: AnyTensor): boolean {
  const empty = node.inputs.some(({ shape }) => shape.includes(0))
  return (
    node.op.name === 'conv' && node.dtype === 'float32' && !empty && convolutionOf(node).kernel.length > 0
  )
}

const conv: Rule = (node, [x, w], { emit }) => {
  if (isNative(node)) return convolution(emit, node, x!, w!)
  if (x!.shape.includes(0) || w!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const { groups, kernel, ...window } = convolutionOf(node)
  const [out, inner] = w!.shape
  const rows = inner! * sizeOf(kernel)
  const columns = unfolded(emit, x!, { ...window, kernel }, { lead: 2, axis: 2 })
  const y = product(
    emit,
    emit.reshape(w!, [groups, out! / groups, rows]),
    emit.reshape(columns, [columns.shape[0]!, groups, rows, columns.shape[3]!]),
  )
  return emit.reshape(y, node.shape)
}

const convInput: Rule = (node, [g, w], { emit }) => {
  if (g!.shape.includes(0) || w!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const geometry = convolutionOf(node)
  const spatial = node.attributes.spatial as Shape
  if (isSamplesLast(emit, g!) && prefersSamplesLast(emit, g!, geometry)) {
    const x = convInputSamplesLast(emit, samplesLast(emit, g!), w!, geometry, spatial)
    if (x !== undefined) return samplesFirst(emit, x)
  }
  const { groups } = geometry
  const [out, inner, ...kernel] = w!.shape
  const rows = inner! * sizeOf(kernel)
  const [samples] = g!.shape
  const places = sizeOf(g!.shape.slice(2))
  const several = groups === 1 ? [] : [groups]
  const upright = standing(emit, w!, groups)
  const columns = product(
    emit,
    emit.reshape(upright, [...several, rows, out! / groups]),
    emit.reshape(g!, [samples!, ...several, out! / groups, places]),
  )
  return folded(emit, emit.reshape(columns, [samples!, groups * rows, places]), geometry, spatial)
}

/**
 * [O, C / groups, ...kernel] as [groups, C / groups × elements, O / groups], and so in memory: read in place, a matrix
 * would be packed anew for every sample. With one more axis on the way, since ONNX Runtime would undo a plain swap.
 */
function standing(emit: Emitter, w: Value, groups: number): Value {
  const [out, inner, ...kernel] = w.shape
  const [each, elements] = [out! / groups, sizeOf(kernel)]
  const lying = emit.settled(emit.reshape(w, [groups, each, inner!, elements]))
  const turned = { shape: [groups, inner!, elements, each], dtype: w.dtype }
  const upright = emit.op('Transpose', [lying], turned, { perm: [0, 2, 3, 1] })
  return emit.reshape(upright, [groups, inner! * elements, each])
}

const convWeight: Rule = (node, [x, g], { emit }) => {
  if (x!.shape.includes(0) || g!.shape.includes(0)) return full(emit, node.dtype, node.shape, 0)
  const geometry = convolutionOf(node)
  if (isSamplesLast(emit, x!) || isSamplesLast(emit, g!)) {
    return convWeightSamplesLast(emit, samplesLast(emit, x!), samplesLast(emit, g!), geometry)
  }
  const { groups, kernel } = geometry
  const [out, inner] = node.shape
  // Channels before samples: one product sums over both.
  const columns = unfolded(emit, emit.settled(channelsFirst(emit, x!)), geometry, { lead: 2, axis: 1 })
  const places = columns.shape[2]! * columns.shape[3]!
  const w = product(
    emit,
    emit.reshape(channelsFirst(emit, g!), [groups, out! / groups, places]),
    emit.reshape(columns, [groups, inner! * sizeOf(kernel), places]),
    { b: true },
  )
  return emit.reshape(w, node.shape)
}

/** [N, C, ...] → [C, N, ...] */
function channelsFirst(emit: Emitter, x: Value): Value {
  return emit.transpose(x, [1, 0, ...x.shape.slice(2).map((_, i) => i + 2)])
}

export const convolutionRules: Rules = { conv, convInput, convWeight }
