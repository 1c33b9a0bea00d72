/** @file A shift along an axis, and the causal layer that mixes each token with the one before (Peng et al., "RWKV", 2023). */
import { defineOp, labelRules, type Module, parameter } from '@beyondgrad/autograd'
import { moduleOf } from '@beyondgrad/nn'
import {
  type AnyTensor,
  type Attributes,
  BeyondgradError,
  formatShape,
  mul,
  padWith,
  ShapeError,
  sub,
  type Tensor,
} from '@beyondgrad/tensor'

/** Its attributes: `axis`, counted from the front, and `by`, which may be negative. */
export const shiftNode: (inputs: readonly AnyTensor[], attributes?: Attributes) => Tensor = defineOp({
  name: 'layer-pack:shift',
  expand: ([x], { axis, by }) => moved(x!, axis as number, by as number),
  rule: {
    // Entries move along the axis; the sample axis passes if it is another one.
    labels: labelRules.scanLabels,
    // Linear, and every entry goes to one place at most: a diagonal stays one.
    curvature: 'none',
    selects: true,
    vjp: (node, cotangent) => [
      shiftNode([cotangent], { ...node.attributes, by: -(node.attributes.by as number) }),
    ],
  },
})

/** What leaves at one end is made up for by zeros at the other. */
function moved(x: Tensor, axis: number, by: number): Tensor {
  const size = x.shape[axis]!
  const steps = Math.max(-size, Math.min(size, by))
  const at = (width: number): number[] => x.shape.map((_, i) => (i === axis ? width : 0))
  return padWith(x, at(steps), at(-steps), 'constant')
}

/** x shifted `by` places along an axis towards higher indices, zeros behind it. */
export function shift(x: Tensor, axis: number, by = 1): Tensor {
  const from = axis < 0 ? axis + x.shape.length : axis
  if (!Number.isInteger(by) || x.shape[from] === undefined) {
    throw new ShapeError('shift', `no axis ${axis} of ${formatShape(x.shape)} to shift along by ${by}`)
  }
  return shiftNode([x], { axis: from, by })
}

/** x + mix ⊙ (the token before − x) on [N, tokens, width]: causal. Parameter: mix [width], ½ at the start. */
export function TokenShift(width: number): Module {
  if (!Number.isInteger(width) || width < 1) {
    throw new BeyondgradError('value', `TokenShift: width ${width} must be a positive integer`)
  }
  const data = new Float32Array(width).fill(0.5)
  const mix = parameter('mix', { shape: [width], dtype: 'float32', data })
  return moduleOf(
    (x: Tensor) => {
      if (x.shape.length !== 3 || x.shape[2] !== width) {
        throw new ShapeError('TokenShift', `expects [N, tokens, ${width}], got ${formatShape(x.shape)}`)
      }
      return x.add(mul(mix.value, sub(shift(x, 1), x)))
    },
    [mix],
  )
}
