/** @file The generalised Gauss-Newton matrix, the Hessian and the empirical Fisher matrix of a loss over data. */
import {
  backward,
  type Contribution,
  defineExtension,
  type Flow,
  ggnFlow,
  ggnvp,
  gradientFlow,
  hvp,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { add, BeyondgradError, div, namedMap, type Tensor } from '@beyondgrad/tensor'
import { DiagGGN, DiagHessian } from '../curvature-diagonal.ts'
import { curvatureOperator, type CurvatureOperator, type CurvatureOptions } from './curvature-operator.ts'
import type { CurvatureKind } from './curvature-trace.ts'

const ggn: CurvatureKind = {
  name: 'GGNOperator',
  product: (loss, vectors) => ggnvp(loss, vectors),
  diagonal: (loss, parameters) =>
    backward(loss, { diagonal: DiagGGN() }, { parameters, regularizers: 'ignore' }).diagonal,
}

const hessian: CurvatureKind = {
  name: 'HessianOperator',
  product: (loss, vectors, leaves) => {
    const list = [...vectors]
    const products = hvp(
      loss,
      leaves,
      list.map(([, vector]) => vector),
    )
    return namedMap(list.map(([parameter], i) => [parameter, products[i]!] as const))
  },
  diagonal: (loss, parameters) => backward(loss, { diagonal: DiagHessian() }, { parameters }).diagonal,
}

/** Individual gradients of one marked loss, whose scale is known. */
const ofOneLoss: Flow<Contribution> = {
  name: 'gradient of one loss',
  run: (analysis, options, what) => {
    demandOneLoss(analysis.losses.length)
    return gradientFlow.run(analysis, options, what)
  },
}

function demandOneLoss(count: number): void {
  if (count <= 1) return
  throw new BeyondgradError(
    'unsupported',
    `EmpiricalFisherOperator: the loss combines ${count} marked losses, and the scale of its individual gradients is that of one; make an operator of each and add() them`,
  )
}

const fisher: CurvatureKind = {
  name: 'EmpiricalFisherOperator',
  product: (loss, vectors) => {
    const product = defineExtension(
      {
        name: 'empirical-fisher-product',
        flow: ofOneLoss,
        parameter: ({ contribution }) => contribution,
      },
      ({ byParameter, context }): ParameterMap<Tensor> => {
        const along = [...byParameter].map(([parameter, each]) => each.dot(vectors.get(parameter)))
        const weights = div(along.reduce(add), context.lossScale)
        return byParameter.map((each) => each.weightedSum(weights))
      },
    )
    return backward(loss, { product }, { parameters: parametersOfMap(vectors), regularizers: 'ignore' })
      .product
  },
  diagonal: (loss, parameters) => {
    const diagonal = defineExtension({
      name: 'empirical-fisher-diagonal',
      flow: ggnFlow({ samples: 'empirical' }),
      parameter: ({ contribution }) => contribution.sumOfSquares(),
    })
    return backward(loss, { diagonal }, { parameters, regularizers: 'ignore' }).diagonal
  },
}

const parametersOfMap = (vectors: ParameterMap<Tensor>): Parameter[] => [...vectors].map(([p]) => p)

/**
 * The generalised Gauss-Newton matrix G = Σₙ Jₙᵀ Hₙ Jₙ of a loss over data, for all parameters jointly; positive semidefinite where the
 * loss is convex in the model's output. Terms of parameters alone, such as weight decay, are left out: `damped` adds them.
 *
 * Throws `not-a-loss` where no marked loss is found, `shape` for a loss that is not one number, `value` for data that can't be read
 * again; products throw `stale-parameter` once a parameter has changed.
 *
 * Source: Schraudolph, "Fast curvature matrix-vector products", 2002.
 */
export function GGNOperator<B extends object>(options: CurvatureOptions<B>): Promise<CurvatureOperator> {
  return curvatureOperator(ggn, options)
}

/**
 * The Hessian ∇²L of a loss over data, for all parameters jointly; any twice differentiable loss, and all of it – under "sum" a term of
 * parameters alone counts once for each batch. Throws as `GGNOperator`; `diagonal` and `trace` need a marked loss.
 *
 * Source: Pearlmutter, "Fast exact multiplication by the Hessian", 1994.
 */
export function HessianOperator<B extends object>(options: CurvatureOptions<B>): Promise<CurvatureOperator> {
  return curvatureOperator(hessian, options)
}

/**
 * The empirical Fisher matrix Σₙ gₙ gₙᵀ / c of a loss over data: c Σₙ ∇ℓₙ ∇ℓₙᵀ with c = 1 / N under "mean", the scale of the GGN. A
 * product is two contractions of the individual gradients, which are never held. Of one marked loss; terms of parameters alone are
 * left out. Throws as `GGNOperator`, and `mixed-samples` where samples have no gradients of their own.
 *
 * Source: Kunstner, Balles and Hennig, "Limitations of the empirical Fisher approximation", NeurIPS 2019.
 */
export function EmpiricalFisherOperator<B extends object>(
  options: CurvatureOptions<B>,
): Promise<CurvatureOperator> {
  return curvatureOperator(fisher, options)
}
