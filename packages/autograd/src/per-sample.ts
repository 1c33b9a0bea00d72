/** @file Per-sample gradients the plain way: the gradient of one sample, lifted over all. */
import {
  type AnyTensor,
  BeyondgradError,
  formatShape,
  lift,
  namedMap,
  placeholder,
  type Tensor,
  expand,
} from '@beyondgrad/tensor'
import { parametersOf } from './dependence.ts'
import { gradient } from './derivative.ts'
import type { Parameter, ParameterMap } from './parameter.ts'

/**
 * The gradient of every sample's own loss, by `vmap`: works for any function of one sample, needs no marked loss and no
 * labels, and multiplies everything out. Where the loss is a marked one, `backward` with an extension is leaner.
 *
 * @param loss of one sample, a scalar; its inputs lack the axis of samples
 * @param of default: all trainable parameters that the loss depends on
 * @returns a function of batches, samples on axis 0, with results `[N, ...parameter.shape]`
 */
export function perSample<A extends readonly AnyTensor[]>(
  loss: (...sample: A) => Tensor,
  of?: ParameterMap<Parameter>,
): (...batch: A) => ParameterMap<Tensor> {
  return (...batch) => {
    const samples = batch[0]?.shape[0]
    const odd = batch.find(({ shape }) => shape.length === 0 || shape[0] !== samples)
    if (samples === undefined || odd !== undefined) {
      throw new BeyondgradError(
        'shape',
        `perSample: every input must have the samples on axis 0, not shapes ${batch.map(({ shape }) => formatShape(shape)).join(', ')}`,
      )
    }
    const sample = batch.map(({ shape, dtype }, i) =>
      placeholder(shape.slice(1), dtype, `input ${i} of one sample`),
    )
    const value = loss(...(sample as readonly AnyTensor[] as A))
    const parameters = of ?? onlyParameters(value)
    const slopes = [...gradient(value, parameters)]
    const lifted = new Map(sample.map((x, i) => [x as AnyTensor, batch[i]!]))
    const { results, isBatched } = lift(
      slopes.map(([, slope]) => slope),
      lifted,
      samples,
    )
    return namedMap(
      slopes.map(([parameter, { shape }], i) => {
        const result = results[i] as Tensor
        return [parameter, isBatched[i] ? result : expand(result, [samples, ...shape])] as const
      }),
    )
  }
}

const onlyParameters = (value: Tensor): ParameterMap<Parameter> =>
  namedMap([...parametersOf([value])].map(([parameter]) => [parameter, parameter] as const))
