/**
 * @file max pool ∘ relu = relu ∘ max pool, and their derivatives are equal, too: where a window has a positive element,
 * both select the first of the largest, and where it has none, the derivative is 0. After the pool there are fewer
 * elements to rectify, and to mask on the way back.
 */
import {
  type AnyTensor,
  cast,
  greater,
  maxPool,
  maxPoolVjp,
  mul,
  relu,
  rewrite,
  type Tensor,
  where,
  type Window,
} from '@beyondgrad/tensor'
import { singleNumber } from './number.ts'

/** The same outputs with every relu that feeds a max pool moved behind it. */
export function rectifyAfterPools(outputs: readonly AnyTensor[]): AnyTensor[] {
  return rewrite(outputs, (node) => forward(node) ?? selected(node) ?? masked(node) ?? node)
}

function windowOf(node: AnyTensor): Window {
  return node.attributes as unknown as Window
}

function pooled(x: Tensor, { kernel, stride, before, after, dilation }: Window): Tensor {
  return maxPool(x, kernel, { stride, dilation, padding: before.map((b, i) => [b, after[i]!] as const) })
}

function forward(node: AnyTensor): AnyTensor | undefined {
  if (node.op.name !== 'maxPool') return undefined
  const x = rectified(node)
  return x && relu(pooled(x, windowOf(node)))
}

/** What the first input of a pool is the relu of. A window with holes may hold nothing but padding, which is not 0. */
function rectified(node: AnyTensor): Tensor | undefined {
  const [a] = node.inputs
  const holes = windowOf(node).dilation.some((d) => d !== 1)
  return a!.op.name === 'relu' && !holes ? (a!.inputs[0] as Tensor) : undefined
}

/** where(x > 0, vjp of the pool of relu(x), 0) */
function selected(node: AnyTensor): AnyTensor | undefined {
  if (node.op.name !== 'where' || singleNumber(node.inputs[2]!) !== 0) return undefined
  const [condition, vjp] = node.inputs
  return moved(condition!, vjp!, (positive, g) => where(positive, g, 0))
}

/** vjp of the pool of relu(x), times the cast of x > 0 */
function masked(node: AnyTensor): AnyTensor | undefined {
  if (node.op.name !== 'mul') return undefined
  const [a, b] = node.inputs as [AnyTensor, AnyTensor]
  const [mask, vjp] = a.op.name === 'cast' ? [a, b] : [b, a]
  if (mask.op.name !== 'cast' || mask.dtype !== 'float32') return undefined
  return moved(mask.inputs[0]!, vjp, (positive, g) => mul(g, cast(positive, 'float32')))
}

function moved(
  condition: AnyTensor,
  vjp: AnyTensor,
  mask: (positive: Tensor<'bool'>, g: Tensor) => Tensor,
): AnyTensor | undefined {
  if (vjp.op.name !== 'maxPoolVjp' || condition.op.name !== 'greater') return undefined
  const x = rectified(vjp)
  if (x === undefined || condition.inputs[0] !== x || singleNumber(condition.inputs[1]!) !== 0)
    return undefined
  const window = windowOf(vjp)
  return maxPoolVjp(x, mask(greater(pooled(x, window), 0), vjp.inputs[1] as Tensor), window)
}
