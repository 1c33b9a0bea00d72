/** @file What an extension declares of itself: its degree, by another multiple of the loss, and how batches combine, by parts of one. */
import {
  backward,
  type BackwardOptions,
  type Degree,
  type Extension,
  type Merge,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { type AnyTensor, type Engine, evaluate, type Evaluated, type Tensor } from '@beyondgrad/tensor'
import { bruteForce, type Problem } from './brute-force.ts'
import { demandClose, type Tolerance } from './close.ts'
import { batchOf, upTo } from './parts.ts'
import { alpha, demandDegree, isDrawn, merged } from './scaling.ts'

type Result = ParameterMap<Tensor>

export interface LawOptions extends Tolerance {
  readonly engine: Engine
  readonly backward?: BackwardOptions | undefined
}

/** Throws a sentence about the first parameter whose result breaks a law. */
export async function checkLaws<T extends AnyTensor>(
  extension: Extension<Result>,
  problem: Problem<T>,
  options: LawOptions,
): Promise<void> {
  const { degree, merge } = extension['~spec'] as {
    readonly degree: Degree
    readonly merge: Merge<Result> | undefined
  }
  const { model, loss, inputs, targets } = problem
  const ride = (whole: Tensor): Result => backward(whole, { result: extension }, options.backward).result
  const whole = loss(model(inputs), targets)
  const lazy = ride(whole)
  const { plain, scaled } = await evaluate(
    { plain: lazy, scaled: ride(whole.mul(alpha)) },
    { engine: options.engine },
  )
  if (degree !== 'none') {
    for (const [parameter, value] of plain) {
      demandDegree(`${extension.name} of "${parameter.name}"`, value, scaled.get(parameter), degree, options)
    }
  }
  // Tensors that are named in `samples` are not those of a part.
  const isWhole = options.backward?.samples !== undefined || isDrawn([...lazy].map(([, value]) => value))
  if (merge !== undefined && !isWhole) await checkMerge(extension.name, problem, ride, merge, plain, options)
}

async function checkMerge<T extends AnyTensor>(
  name: string,
  problem: Problem<T>,
  ride: (loss: Tensor) => Result,
  merge: Merge<Result>,
  plain: Evaluated<Result>,
  options: LawOptions,
): Promise<void> {
  const batch = await batchOf(problem)
  if (batch.samples < 2) return
  const isMean = (await bruteForce(problem)).scale !== 1
  const all = upTo(batch.samples)
  // Parts of different sizes tell a mean that forgets them.
  const middle = Math.floor(batch.samples / 3) || 1
  const parts = [all.slice(0, middle), all.slice(middle)].map((samples) => ({
    n: samples.length,
    result: ride(batch.lossOf(samples).mul(isMean ? samples.length / batch.samples : 1)),
  }))
  const { engine } = options
  const found =
    typeof merge === 'function'
      ? (await evaluate({ whole: merge(parts) }, { engine })).whole.map(({ data }) => Float64Array.from(data))
      : await evaluate({ parts }, { engine }).then(({ parts: values }) =>
          plain.map((_, parameter) => {
            const of = values.map(({ n, result }) => ({ n, result: result.get(parameter) }))
            return merged(`${name} of "${parameter.name}"`, merge, of)
          }),
        )
  for (const [parameter, { data, shape }] of plain) {
    const how = typeof merge === 'function' ? 'its merge' : `merge '${merge}'`
    const what = `${name} of "${parameter.name}" from two parts of the batch by ${how}, against the whole`
    demandClose(what, found.get(parameter), data, shape, options)
  }
}
