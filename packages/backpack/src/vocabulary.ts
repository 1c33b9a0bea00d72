/** @file The quantities by the names that the command line and files use. */
import type { Extension, ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import { DiagGGN, DiagGGNMC, DiagHessian } from './curvature-diagonal.ts'
import { BatchGradient, BatchL2, Gradient, SumGradSquared, Variance } from './first-order.ts'

export type QuantityName =
  | 'gradient'
  | 'batch-gradient'
  | 'batch-l2'
  | 'sum-grad-squared'
  | 'variance'
  | 'diag-ggn'
  | 'diag-ggn-mc'
  | 'diag-hessian'

/** One vocabulary: the factory behind each name, with its default options. */
export const quantities: Readonly<Record<QuantityName, () => Extension<ParameterMap<Tensor>>>> = {
  gradient: Gradient,
  'batch-gradient': BatchGradient,
  'batch-l2': BatchL2,
  'sum-grad-squared': SumGradSquared,
  variance: Variance,
  'diag-ggn': DiagGGN,
  'diag-ggn-mc': () => DiagGGNMC(),
  'diag-hessian': DiagHessian,
}
