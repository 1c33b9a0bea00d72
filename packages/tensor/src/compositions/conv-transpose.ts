/** @file Transposed convolution: `convInput` as a layer. */
import { ShapeError } from '../errors.ts'
import { demandTensors, type Tensor } from '../node.ts'
import { convInput } from '../ops/convolution.ts'
import { pad } from '../ops/movement.ts'
import { type WindowOptions, windowOf } from '../ops/window.ts'
import { checkList, formatShape } from '../shape.ts'

export interface ConvTransposeOptions extends WindowOptions {
  readonly groups?: number
  /** Elements that the result is longer by at the end of each spatial axis. Default: 0. */
  readonly outputPadding?: number | readonly number[]
}

/**
 * Transposed convolution: the linear map that is the transpose of `conv` with the same weight and options.
 *
 * @param x [N, C, ...positions]
 * @param w [C, O / groups, ...kernel]
 * @returns [N, O, ...spatial] with spatial = (positions - 1) · stride - padding + dilation · (kernel - 1) + 1 + outputPadding
 */
export function convTranspose(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  demandTensors('convTranspose', x, w)
  const { groups = 1, outputPadding = 0, ...rest } = options ?? {}
  if (!Number.isInteger(groups) || groups < 1) {
    throw new ShapeError('convTranspose', `groups ${groups} is not a positive integer`)
  }
  const window = windowOf('convTranspose', w.shape.slice(2), rest)
  const { kernel, stride, dilation, before } = window
  const places = x.shape.slice(2)
  if (w.shape.length < 3 || places.length !== kernel.length || x.shape[1] !== w.shape[0]) {
    throw new ShapeError(
      'convTranspose',
      `takes x [N, C, ...positions] and a weight [C, O / groups, ...kernel], not ${formatShape(x.shape)} and ${formatShape(w.shape)}`,
    )
  }
  const extra = typeof outputPadding === 'number' ? kernel.map(() => outputPadding) : outputPadding
  checkList('convTranspose', 'outputPadding', extra)
  if (extra.length !== kernel.length || extra.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ShapeError(
      'convTranspose',
      `outputPadding [${extra.join(', ')}] must be ${kernel.length} non-negative integers`,
    )
  }
  // What is added at the end is first what the padding cut off there, then what a stride passes over, then zeros.
  const after = window.after.map((cut, i) => Math.max(0, cut - extra[i]!))
  const beyond = window.after.map((cut, i) => Math.max(0, extra[i]! - cut))
  const passed = beyond.map((more, i) => Math.min(more, stride[i]! - 1))
  const spatial = places.map(
    (count, i) =>
      (count - 1) * stride[i]! - before[i]! - after[i]! + dilation[i]! * (kernel[i]! - 1) + 1 + passed[i]!,
  )
  if (spatial.some((size) => size < 1)) {
    throw new ShapeError(
      'convTranspose',
      `the padding leaves nothing of the result: spatial sizes ${formatShape(spatial)} for positions ${formatShape(places)}`,
    )
  }
  const z = convInput(x, w, { ...window, after, groups }, spatial)
  const zeros = beyond.map((more, i) => more - passed[i]!)
  return pad(
    z,
    z.shape.map(() => 0),
    [0, 0, ...zeros],
  )
}
