/** @file A fitted Laplace approximation: its evidence at any prior, and predictions with their uncertainty. */
import type { Module, Parameter } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  type Engine,
  evaluate,
  type NDArray,
  sizeOf,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import type { Block } from './block.ts'
import { bestPrecision, evidenceOf, type EvidencePart } from './evidence.ts'
import { jacobians, probitProbabilities } from './predict.ts'

export interface PosteriorOptions {
  /** τ: parameters have the prior N(0, 1/τ). One number for all, or one for each by the parameter's name. Default: 1. */
  readonly priorPrecision?: number | Readonly<Record<string, number>>
  /** σ: the standard deviation of a regression's targets around the outputs. Default: 1. */
  readonly noise?: number
}

export interface PredictOptions {
  /** How many inputs have their Jacobians in memory at once, [C, chunk, P]. Default: 32. */
  readonly chunk?: number
  readonly signal?: AbortSignal
}

export interface Prediction {
  /** Outputs of the trained network, [N, …]; logits where it is a classification. */
  readonly mean: NDArray<'float64'>
  /** Their variances, [N, …]: of the outputs themselves, without the observation noise. */
  readonly variance: NDArray<'float64'>
  /** Covariances of a sample's C outputs, [N, C, C]. */
  readonly covariance: NDArray<'float64'>
  /** Of classes, with the uncertainty of the logits, [N, C]; undefined for a regression. */
  readonly probabilities: NDArray<'float64'> | undefined
}

/** An approximate posterior. It holds for the parameters as they were when it was fitted. */
export interface Laplace {
  /** τ by parameter. */
  readonly priorPrecision: Readonly<Record<string, number>>
  readonly noise: number
  /** log p(D | θ) at the trained network. */
  readonly logLikelihood: number
  /** log p(D), approximately: how well prior and network together explain the data. */
  logMarginalLikelihood(): number
  /** The same fit under another prior or noise. */
  with(options: PosteriorOptions): Laplace
  /** The same fit with the prior precision that maximises the evidence: one for the whole network (default), or one for each parameter. */
  withBestPrior(options?: { readonly per?: 'network' | 'parameter' }): Laplace
  /** Mean and variance of the linearised network's outputs. Throws `value` once a parameter has changed. */
  predict(inputs: Tensor, options?: PredictOptions): Promise<Prediction>
}

interface Part {
  readonly parameter: Parameter
  /** Of its numbers when they were read. */
  readonly version: number
  readonly block: Block
  readonly squaredNorm: number
}

/** What a pass over the data has found. */
export interface Fit {
  readonly model: Module
  readonly likelihood: 'classification' | 'regression'
  readonly engine: Engine | undefined
  readonly parts: readonly Part[]
  /** −log p(D | θ); for a regression at σ = 1 and without its constant. */
  readonly loss: number
  /** Numbers that are predicted. */
  readonly terms: number
}

export function posteriorOf(fit: Fit, options: PosteriorOptions): Laplace {
  const { likelihood, parts, loss, terms } = fit
  const { noise = 1 } = options
  demandPositive('noise', noise)
  if (likelihood === 'classification' && noise !== 1) {
    throw new BeyondgradError('value', 'laplace: a classification has no observation noise')
  }
  const priorPrecision = precisions(parts, options.priorPrecision ?? 1)
  const evidence = parts.map(({ block, squaredNorm }): EvidencePart => ({
    curvature: block.eigenvalues.map((h) => h / noise ** 2),
    squaredNorm,
  }))
  const logLikelihood =
    likelihood === 'classification'
      ? -loss
      : -loss / noise ** 2 - (terms / 2) * Math.log(2 * Math.PI * noise ** 2)
  const at = ({ parameter }: Part): number => priorPrecision[parameter.name]!
  return {
    priorPrecision,
    noise,
    logLikelihood,
    logMarginalLikelihood: () =>
      parts.reduce((sum, part, i) => sum + evidenceOf(evidence[i]!, at(part)), logLikelihood),
    with: (change) => posteriorOf(fit, { priorPrecision, noise, ...change }),
    withBestPrior: ({ per = 'network' } = {}) => {
      if (per === 'network') {
        const shared = bestPrecision(evidence, 'the network')
        return posteriorOf(fit, { noise, priorPrecision: shared })
      }
      const each = parts.map(({ parameter: { name } }, i) => [
        name,
        bestPrecision([evidence[i]!], `"${name}"`),
      ])
      return posteriorOf(fit, { noise, priorPrecision: Object.fromEntries(each) as Record<string, number> })
    },
    predict: (inputs, predictOptions = {}) => {
      const variances = parts.map((part, i) => evidence[i]!.curvature.map((h) => 1 / (h + at(part))))
      return predict(fit, variances, inputs, predictOptions)
    },
  }
}

function precisions(
  parts: readonly Part[],
  given: NonNullable<PosteriorOptions['priorPrecision']>,
): Record<string, number> {
  const names = parts.map(({ parameter }) => parameter.name)
  const each = names.map((name) => {
    const precision = typeof given === 'number' ? given : given[name]
    if (precision === undefined) {
      throw new BeyondgradError(
        'value',
        `laplace: priorPrecision has no number for "${name}"; name ${names.join(', ')}`,
      )
    }
    demandPositive(typeof given === 'number' ? 'priorPrecision' : `priorPrecision of "${name}"`, precision)
    return [name, precision] as const
  })
  return Object.fromEntries(each)
}

function demandPositive(what: string, value: number): void {
  if (value > 0 && value < Infinity) return
  throw new BeyondgradError('value', `laplace: ${what} must be a positive number, not ${value}`)
}

async function predict(
  { model, likelihood, engine, parts }: Fit,
  variances: readonly Float64Array[],
  inputs: Tensor,
  { chunk = 32, signal }: PredictOptions,
): Promise<Prediction> {
  if (!(chunk >= 1)) throw new BeyondgradError('value', `laplace: chunk ${chunk} must be at least 1`)
  const changed = parts.find(({ parameter, version }) => parameter.cell.version !== version)
  if (changed !== undefined) {
    throw new BeyondgradError(
      'value',
      `laplace: parameter "${changed.parameter.name}" has changed since the posterior was fitted; fit it again`,
    )
  }
  const samples = inputs.shape[0] ?? 0
  const means: number[] = []
  const covariances: number[] = []
  let shape: readonly number[] = []
  for (let from = 0; from < samples; from += chunk) {
    const to = Math.min(samples, from + chunk)
    const parameters = parts.map(({ parameter }) => parameter)
    const found = await evaluate(jacobians(model, slice(inputs, 0, from, to), parameters), {
      engine,
      ...(signal && { signal }),
    })
    const { outputs, rows } = found
    shape = outputs.shape.slice(1)
    const classes = sizeOf(shape)
    for (const value of outputs.data) means.push(value)
    const sum = new Float64Array((to - from) * classes * classes)
    parts.forEach(({ parameter, block }, i) => {
      addCovariances(sum, rows.get(parameter).data, to - from, classes, block, variances[i]!)
    })
    for (const value of sum) covariances.push(value)
  }
  const classes = sizeOf(shape)
  const variance = Float64Array.from({ length: samples * classes }, (_, i) => {
    const [n, c] = [Math.floor(i / classes), i % classes]
    return covariances[(n * classes + c) * classes + c]!
  })
  const array = (data: Float64Array, of: readonly number[]): NDArray<'float64'> => ({
    shape: [samples, ...of],
    dtype: 'float64',
    data,
  })
  return {
    mean: array(Float64Array.from(means), shape),
    variance: array(variance, shape),
    covariance: array(Float64Array.from(covariances), [classes, classes]),
    probabilities:
      likelihood === 'regression' ? undefined : array(probitProbabilities(means, variance, classes), shape),
  }
}

/** Adds J Σ Jᵀ of one parameter for every sample; rows are [C, N, P]. */
function addCovariances(
  sum: Float64Array,
  rows: ArrayLike<number>,
  samples: number,
  classes: number,
  block: Block,
  variance: Float64Array,
): void {
  const size = variance.length
  for (let n = 0; n < samples; n++) {
    const rotated = Array.from({ length: classes }, (_, c) => {
      const from = (c * samples + n) * size
      return block.rotate(Float64Array.from({ length: size }, (__, p) => rows[from + p]!))
    })
    for (const [c, a] of rotated.entries()) {
      for (const [d, b] of rotated.entries()) {
        sum[(n * classes + c) * classes + d]! += a.reduce(
          (total, x, p) => total + x * variance[p]! * b[p]!,
          0,
        )
      }
    }
  }
}
