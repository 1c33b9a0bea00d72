/** @file What a derivative rule says about an op, written in ops, so that derivatives can be differentiated again. */
import type { AnyTensor, Tensor } from '@beyondgrad/tensor'
import type { AxisLabel } from '../label.ts'

/** A partial derivative of an elementwise op; numbers stand for constants. */
export type Partial = Tensor | number

/** How an op passes the sample axis on. */
export interface LabelRule {
  /**
   * The label of the result from those of the inputs, at least one of which is labelled; unlabelled inputs come as
   * undefined. 'mixed' if samples meet, 'opaque' if the result can't be described.
   */
  forward(
    node: AnyTensor,
    labels: readonly (AxisLabel | undefined)[],
    samples: number,
  ): AxisLabel | 'mixed' | 'opaque'
  /** The label of input i if its cotangent is labelled when the result's is; undefined if the axis ends here. */
  backward(node: AnyTensor, label: AxisLabel, i: number, samples: number): AxisLabel | undefined
}

/** Derivatives, sample axis and curvature of an op. */
export interface Rule {
  readonly labels: LabelRule
  /** Cotangents of the wanted inputs (undefined: zero) from that of the result. */
  vjp(node: AnyTensor, cotangent: Tensor, wanted: readonly boolean[]): readonly (Tensor | undefined)[]
  /** Elementwise ops: ∂z/∂xᵢ, in any shape that broadcasts to the result's. */
  readonly partial?: (node: AnyTensor, i: number) => Partial
  /** Elementwise ops: ∂²z/∂xᵢ∂xⱼ. */
  readonly second?: (node: AnyTensor, i: number, j: number) => Partial
  /**
   * How the op's own second derivative looks: none (it is piecewise linear in all inputs together), elementwise
   * (given by `second`), bilinear (linear in each input; only pairs of inputs interact), or unknown: then the exact Hessian
   * is refused.
   */
  readonly curvature: 'none' | 'elementwise' | 'bilinear' | 'unknown'
  /** Whether a Hessian that is diagonal in the result's entries is diagonal in the input's, moved by the vjp. */
  readonly selects?: boolean
}
