/** @file Rules of elementwise ops: what follows from first and second partial derivatives. */
import { type AnyTensor, cast, mul, neg, sumTo, type Tensor } from '@beyondgrad/tensor'
import { broadcastLabels } from './labels.ts'
import type { Partial, Rule } from './rule.ts'

export interface Derivatives {
  readonly partial: (z: Tensor, x: readonly Tensor[], i: number) => Partial
  /** Undefined: all second derivatives are zero. */
  readonly second?: (z: Tensor, x: readonly Tensor[], i: number, j: number) => Partial
}

const values = (node: AnyTensor): readonly Tensor[] => node.inputs as readonly Tensor[]

function times(g: Tensor, factor: Partial): Tensor | undefined {
  if (typeof factor !== 'number') return mul(g, factor)
  return factor === 0 ? undefined : factor === 1 ? g : factor === -1 ? neg(g) : mul(g, factor)
}

/**
 * A rule made of partial derivatives; `vjp` where there is a better way than to multiply by them.
 */
export function elementwise({ partial, second }: Derivatives, vjp?: Rule['vjp']): Rule {
  const first = (node: AnyTensor, i: number): Partial => partial(node as Tensor, values(node), i)
  return {
    labels: broadcastLabels,
    curvature: second ? 'elementwise' : 'none',
    selects: true,
    partial: first,
    second: (node, i, j) => second?.(node as Tensor, values(node), i, j) ?? 0,
    vjp:
      vjp ??
      ((node, g, wanted) =>
        node.inputs.map((input, i) => {
          if (!wanted[i]) return undefined
          const cotangent = times(g, first(node, i))
          return cotangent && sumTo(cotangent, input.shape)
        })),
  }
}

/** Derivatives are zero. */
export const flat: Rule = elementwise({ partial: () => 0 })

/** 1 where the condition holds: for piecewise linear ops. */
export const indicator = (condition: Tensor<'bool'>, like: Tensor): Tensor => cast(condition, like.dtype)
