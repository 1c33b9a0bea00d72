/** @file What a layout of per-sample derivatives is: factors, and what their last axes mean for the operand. */
import type { AnyTensor, Tensor } from '@beyondgrad/tensor'
import type { AxisLabel } from '../label.ts'
import type { Factors, OuterFactors } from '../use.ts'

/** Where a parameter's side enters the samples' side. */
export interface Boundary {
  readonly node: AnyTensor
  /** Which input of the node is the parameter's side. */
  readonly operand: number
  /** The sample axis of the node. */
  readonly label: AxisLabel
  readonly samples: number
}

/** A use's factors, and what their last axes mean. */
export interface Layout {
  readonly factors: Factors
  /** [...lead, layout of the factors] → [...lead, ...operand.shape]. */
  readonly toOperand: (result: Tensor, lead: number) => Tensor
  /** The transpose of `toOperand` without leading axes: [...operand.shape] → [G, O, I]. */
  readonly fromOperand?: (x: Tensor) => Tensor
  /** The factors whose second moments are the Kronecker factors, with a `toOperand` of their own. Default: those above. */
  readonly kronecker?: () => {
    readonly factors: OuterFactors
    readonly toOperand: (result: Tensor, lead: number) => Tensor
  }
  readonly key: number
}
