/** @file Convolutions and their transposes, over any number of spatial axes. */
import {
  add,
  type AnyTensor,
  conv,
  convTranspose,
  pad,
  reshape,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'
import { optionsOf, perAxis, windowAttributes } from './window-attributes.ts'

function withBias(call: OperatorCall, y: Tensor): Tensor {
  if (!call.has(2)) return y
  const bias = call.float(2)
  return add(y, reshape(bias, [bias.shape[0] ?? 1, ...y.shape.slice(2).map(() => 1)]))
}

function convolution(call: OperatorCall): AnyTensor {
  const [x, w] = [call.float(0), call.float(1)]
  const window = windowAttributes(call, w.shape.slice(2), x.shape.slice(2))
  return withBias(call, conv(x, w, { ...optionsOf(window), groups: call.attributes.int('group', 1) }))
}

/**
 * The transpose. Padding cuts off; where `output_shape` or `auto_pad` ask for a size, it follows from that size.
 */
function transposed(call: OperatorCall): AnyTensor {
  const [x, w] = [call.float(0), call.float(1)]
  const { attributes } = call
  const kernel = w.shape.slice(2)
  const rank = kernel.length
  const stride = perAxis(call, 'strides', rank, 1)
  const dilation = perAxis(call, 'dilations', rank, 1)
  const extra = perAxis(call, 'output_padding', rank, 0)
  const mode = attributes.string('auto_pad', 'NOTSET')
  const full = kernel.map(
    (k, i) => stride[i]! * (x.shape[i + 2]! - 1) + extra[i]! + dilation[i]! * (k - 1) + 1,
  )
  const asked = attributes.ints('output_shape')?.slice(-rank)
  const same = mode === 'SAME_UPPER' || mode === 'SAME_LOWER'
  const wanted = asked ?? (same ? stride.map((step, i) => step * x.shape[i + 2]!) : undefined)
  const pads = attributes.ints('pads') ?? Array<number>(2 * rank).fill(0)
  const cuts = full.map((size, i): [number, number] => {
    if (wanted === undefined) return mode === 'VALID' ? [0, 0] : [pads[i]!, pads[i + rank]!]
    const total = size - wanted[i]!
    const half = Math.floor(total / 2)
    return mode === 'SAME_UPPER' ? [half, total - half] : [total - half, half]
  })
  const uncut = convTranspose(x, w, {
    stride,
    dilation,
    outputPadding: extra.map((n, i) => Math.max(0, n - Math.max(0, cuts[i]![1]))),
    padding: cuts.map(([head, tail], i): [number, number] => [
      Math.max(0, head),
      Math.max(0, Math.max(0, tail) - extra[i]!),
    ]),
    groups: attributes.int('group', 1),
  })
  // A negative cut is room for zeros.
  const grown = cuts.some(([head, tail]) => head < 0 || tail < 0)
    ? pad(
        uncut,
        [0, 0, ...cuts.map(([head]) => Math.max(0, -head))],
        [0, 0, ...cuts.map(([, tail]) => Math.max(0, -tail))],
      )
    : uncut
  const sizes = full.map((size, i) => size - cuts[i]![0] - cuts[i]![1])
  const y = sizes.reduce(
    (part, size, i) => (part.shape[i + 2]! > size ? slice(part, i + 2, 0, size) : part),
    grown,
  )
  return withBias(call, y)
}

export const convolutions: OperatorTable = {
  Conv: operator(convolution),
  ConvTranspose: operator(transposed),
}
