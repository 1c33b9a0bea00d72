/** @file Snake: an activation for periodic functions (Ziyin, Hartwig, Ueda, NeurIPS 2020), with a trainable frequency. */
import { defineOp, elementwiseRule, type Module, parameter, type Partial } from '@beyondgrad/autograd'
import { moduleOf } from '@beyondgrad/nn'
import {
  type AnyTensor,
  type Attributes,
  BeyondgradError,
  cos,
  div,
  formatShape,
  mul,
  reshape,
  ShapeError,
  sin,
  square,
  sub,
  type Tensor,
} from '@beyondgrad/tensor'

/** x + sin²(αx) / α, as an op on x and α, which broadcast. */
export const snakeNode: (inputs: readonly AnyTensor[], attributes?: Attributes) => Tensor = defineOp({
  name: 'layer-pack:snake',
  expand: ([x, a]) => x!.add(div(square(sin(mul(a!, x!))), a!)),
  rule: elementwiseRule({ partial: slope, second: bend }),
})

function slope(_z: Tensor, [x, a]: readonly Tensor[], i: number): Partial {
  const phase = mul(a!, x!)
  if (i === 0) return sin(phase.mul(2)).add(1)
  return sub(mul(x!, sin(phase.mul(2))), div(square(sin(phase)), a!)).div(a!)
}

function bend(_z: Tensor, [x, a]: readonly Tensor[], i: number, j: number): Partial {
  const phase = mul(a!, x!)
  const wave = cos(phase.mul(2)).mul(2)
  if (i === 0 && j === 0) return mul(a!, wave)
  if (i !== j) return mul(x!, wave)
  const inner = sub(mul(x!, sin(phase.mul(2))), div(square(sin(phase)), a!)).mul(2)
  return sub(mul(square(x!), wave), div(inner, a!)).div(a!)
}

/** x + sin²(αx) / α, elementwise; α broadcasts with x and must not be 0. */
export const snake = (x: Tensor, alpha: Tensor): Tensor => snakeNode([x, alpha])

export interface SnakeOptions {
  /** α at the start: larger for more periods. Default: 1. */
  readonly init?: number
}

/** `snake` on [N, channels, ...]. Parameter: alpha [channels]. */
export function Snake(channels: number, { init = 1 }: SnakeOptions = {}): Module {
  if (!Number.isInteger(channels) || channels < 1 || !(init > 0)) {
    throw new BeyondgradError(
      'value',
      `Snake: channels ${channels} must be a positive integer, init ${init} positive`,
    )
  }
  const data = new Float32Array(channels).fill(init)
  const alpha = parameter('alpha', { shape: [channels], dtype: 'float32', data })
  return moduleOf(
    (x: Tensor) => {
      if (x.shape[1] !== channels) {
        throw new ShapeError('Snake', `expects [N, ${channels}, ...], got ${formatShape(x.shape)}`)
      }
      return snake(x, reshape(alpha.value, [channels, ...x.shape.slice(2).map(() => 1)]))
    },
    [alpha],
  )
}
