/** @file Predictions of the linearised network: Jacobians of single samples, and probabilities that know how uncertain their logits are. */
import { backward, mseLoss, type Module, type Parameter, type ParameterMap } from '@beyondgrad/autograd'
import { SqrtGGN } from '@beyondgrad/backpack'
import { type Tensor, zeros } from '@beyondgrad/tensor'

/**
 * Outputs [N, …] and, by parameter, their Jacobians [C, N, ...parameter.shape]. Half a squared error has the identity as its
 * Hessian: its columns, pulled back sample by sample, are the rows of the Jacobian.
 */
export function jacobians(
  model: Module,
  inputs: Tensor,
  parameters: readonly Parameter[],
): { readonly outputs: Tensor; readonly rows: ParameterMap<Tensor> } {
  const outputs = model(inputs)
  const half = mseLoss(outputs, zeros(outputs.shape), { reduction: 'sum' }).mul(0.5)
  const { rows } = backward(half, { rows: SqrtGGN() }, { parameters })
  return { outputs, rows }
}

/**
 * Class probabilities of logits with the given variances, by the probit approximation softmax(f / √(1 + π/8 v)) (MacKay, 1992).
 *
 * @param logits, variance [N, C], row-major
 */
export function probitProbabilities(
  logits: ArrayLike<number>,
  variance: ArrayLike<number>,
  classes: number,
): Float64Array {
  const scaled = Float64Array.from(logits, (f, i) => f / Math.sqrt(1 + (Math.PI / 8) * variance[i]!))
  for (let from = 0; from < scaled.length; from += classes) {
    const row = scaled.subarray(from, from + classes)
    const top = Math.max(...row)
    row.forEach((f, c) => (row[c] = Math.exp(f - top)))
    const total = row.reduce((a, b) => a + b)
    row.forEach((e, c) => (row[c] = e / total))
  }
  return scaled
}
