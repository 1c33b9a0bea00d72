/** @file Fits a Laplace approximation: one pass over the data for the curvature and the log-likelihood at the trained network. */
import {
  backward,
  type Batch,
  crossEntropy,
  type Module,
  mseLoss,
  type Parameter,
} from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  compile,
  type Engine,
  evaluate,
  formatShape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import { CurvatureOf, type CurvatureSum, firstOf, type Structure } from './curvature.ts'
import { type Laplace, type PosteriorOptions, posteriorOf } from './posterior.ts'

export interface LaplaceOptions extends PosteriorOptions {
  /** A trained network, which stands for the maximum of the posterior. */
  readonly model: Module
  /** 'classification': targets are labels, outputs logits [N, C]. 'regression': targets are normal around the outputs. */
  readonly likelihood: 'classification' | 'regression'
  /** What is kept of the curvature of each parameter: its diagonal, or Kronecker factors. Default: 'kronecker'. */
  readonly structure?: Structure
  /** Which parameters are uncertain, as those of the last layer. Default: all trainable ones. */
  readonly parameters?: readonly Parameter[]
  /** Default: the current one. */
  readonly engine?: Engine
  readonly signal?: AbortSignal
}

type Batches = Iterable<Batch<AnyTensor>> | AsyncIterable<Batch<AnyTensor>>

/**
 * The Laplace approximation of the posterior around a trained network (Daxberger et al., "Laplace redux", NeurIPS 2021).
 *
 * Throws `value` for options that make no sense, for a data set without batches, and if parameters change meanwhile; `shape` for a
 * classification whose outputs are not [N, C]; and what the model and its backward pass throw.
 *
 * @param batches the whole data set, once: tensors or arrays that hold data, labels where it is a classification
 */
export async function fitLaplace(batches: Batches, options: LaplaceOptions): Promise<Laplace> {
  const { model, likelihood, structure = 'kronecker', engine, signal } = options
  demandOneOf('likelihood', likelihood, ['classification', 'regression'])
  demandOneOf('structure', structure, ['diagonal', 'kronecker'])
  const chosen = (options.parameters ?? [...model.parameters].map(([p]) => p)).filter((p) => p.trainable)
  const versions = chosen.map(({ cell }) => cell.version)
  const run = compile(
    (x: Tensor, y: AnyTensor) => {
      const output = model(x)
      const loss = negativeLogLikelihood(likelihood, output, y)
      const terms = likelihood === 'regression' ? sizeOf(output.shape) : output.shape[0]!
      return { loss, terms, ...backward(loss, { curvature: CurvatureOf(structure) }, { parameters: chosen }) }
    },
    { engine },
  ).with({ signal })
  const sums = new Map<Parameter['cell'], { readonly parameter: Parameter; readonly sum: CurvatureSum }>()
  let [samples, terms, loss] = [0, 0, 0]
  for await (const { inputs, targets } of batches) {
    const found = await run(inputs, targets)
    const count = inputs.shape[0]!
    for (const [parameter, next] of found.curvature) {
      const known = sums.get(parameter.cell)?.sum
      sums.set(parameter.cell, { parameter, sum: known?.add(next, samples, count) ?? firstOf(next) })
    }
    samples += count
    terms += found.terms
    loss += found.loss.data[0]!
  }
  if (samples === 0) throw new BeyondgradError('value', 'fitLaplace: the data set has no batches')
  const seen = [...sums.values()]
  const values = await evaluate(
    seen.map(({ parameter }) => parameter.value),
    { engine },
  )
  if (chosen.some(({ cell }, i) => cell.version !== versions[i])) {
    throw new BeyondgradError(
      'value',
      'fitLaplace: a parameter changed while the data were read; fit after training',
    )
  }
  const parts = seen.map(({ parameter, sum }, i) => ({
    parameter,
    version: parameter.cell.version,
    block: sum.block(),
    squaredNorm: values[i]!.data.reduce((total, x) => total + x * x, 0),
  }))
  return posteriorOf({ model, likelihood, engine, parts, loss, terms }, options)
}

/** −log p(y | f) of the batch; for a regression at σ = 1 and without its constant. */
function negativeLogLikelihood(
  likelihood: LaplaceOptions['likelihood'],
  output: Tensor,
  target: AnyTensor,
): Tensor {
  if (likelihood === 'regression') return mseLoss(output, target as Tensor, { reduction: 'sum' }).mul(0.5)
  if (output.shape.length === 2) return crossEntropy(output, target as Tensor<'int32'>, { reduction: 'sum' })
  throw new BeyondgradError(
    'shape',
    `fitLaplace: a classification needs logits [N, C], not an output of shape ${formatShape(output.shape)}`,
  )
}

function demandOneOf(what: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return
  const known = allowed.map((each) => `"${each}"`).join(' or ')
  throw new BeyondgradError('value', `fitLaplace: ${what} is ${known}, not "${value}"`)
}
