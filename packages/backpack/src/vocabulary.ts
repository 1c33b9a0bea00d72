/** @file The quantities by the names that the command line and files use. */
import type { Extension, KroneckerFactors, ParameterMap } from '@beyondgrad/autograd'
import type { Tensor } from '@beyondgrad/tensor'
import {
  BatchDiagGGN,
  BatchDiagGGNMC,
  BatchDiagHessian,
  DiagEmpiricalFisher,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  DiagHessianMC,
} from './curvature-diagonal.ts'
import { BatchGradient, BatchL2, Gradient, SumGradSquared, Variance } from './first-order.ts'
import { GradientGram } from './gradient-gram.ts'
import { BatchJacobianL2 } from './jacobian-norms.ts'
import { KFAC, KFLR, KFRA } from './kronecker.ts'
import { SqrtGGN, SqrtGGNMC } from './square-root.ts'

export type TensorQuantity =
  | 'gradient'
  | 'batch-gradient'
  | 'batch-l2'
  | 'sum-grad-squared'
  | 'variance'
  | 'diag-ggn'
  | 'diag-ggn-mc'
  | 'batch-diag-ggn'
  | 'batch-diag-ggn-mc'
  | 'diag-hessian'
  | 'diag-hessian-mc'
  | 'batch-diag-hessian'
  | 'diag-empirical-fisher'
  | 'gradient-gram'
  | 'batch-jacobian-l2'
  | 'sqrt-ggn'
  | 'sqrt-ggn-mc'

export type QuantityName = TensorQuantity | 'kfac' | 'kflr' | 'kfra'

type Factories<Name extends string, Result> = Readonly<Record<Name, () => Extension<ParameterMap<Result>>>>

/** One vocabulary: the factory behind each name, with its default options. */
export const quantities: Factories<TensorQuantity, Tensor> &
  Factories<'kfac' | 'kflr' | 'kfra', KroneckerFactors> = {
  gradient: Gradient,
  'batch-gradient': BatchGradient,
  'batch-l2': BatchL2,
  'sum-grad-squared': SumGradSquared,
  variance: Variance,
  'diag-ggn': DiagGGN,
  'diag-ggn-mc': () => DiagGGNMC(),
  'batch-diag-ggn': BatchDiagGGN,
  'batch-diag-ggn-mc': () => BatchDiagGGNMC(),
  'diag-hessian': DiagHessian,
  'diag-hessian-mc': () => DiagHessianMC(),
  'batch-diag-hessian': BatchDiagHessian,
  'diag-empirical-fisher': DiagEmpiricalFisher,
  'gradient-gram': GradientGram,
  'batch-jacobian-l2': BatchJacobianL2,
  kfac: () => KFAC(),
  kflr: () => KFLR(),
  kfra: () => KFRA(),
  'sqrt-ggn': SqrtGGN,
  'sqrt-ggn-mc': () => SqrtGGNMC(),
}
