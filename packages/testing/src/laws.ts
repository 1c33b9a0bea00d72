/** @file What an extension declares of itself: its degree, by another multiple of the loss, and how batches combine, by parts of one. */
import {
  accumulate,
  arraysIn,
  backward,
  type BackwardOptions,
  type Extension,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { type AnyTensor, type Engine, evaluate, type Tensor } from '@beyondgrad/tensor'
import { bruteForce, type Problem } from './brute-force.ts'
import { demandClose, type Tolerance } from './close.ts'
import { batchOf, type Rows, upTo } from './parts.ts'
import { reference } from './reference.ts'
import { alpha, demandDegree } from './scaling.ts'

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
  const { degree, merge } = extension['~spec']
  const { model, loss, inputs, targets } = problem
  const ride = (whole: Tensor): Result => backward(whole, { result: extension }, options.backward).result
  const whole = loss(model(inputs), targets)
  const { plain, scaled } = await evaluate(
    { plain: ride(whole), scaled: ride(whole.mul(alpha)) },
    { engine: options.engine },
  )
  if (typeof degree === 'number') {
    for (const [parameter, value] of plain) {
      demandDegree(`${extension.name} of "${parameter.name}"`, value, scaled.get(parameter), degree, options)
    }
  }
  // Tensors that are named in `samples` are not those of a part; and of a mean, what has no degree has no share.
  const hasParts = options.backward?.samples === undefined
  if (merge !== undefined && hasParts && (degree !== 'none' || (await bruteForce(problem)).scale === 1)) {
    await checkMerge(extension, { ...problem, ...options })
  }
}

export interface MergeCheck<T extends AnyTensor> extends Problem<T>, Tolerance {
  /** Default: the reference engine. */
  readonly engine?: Engine | undefined
  readonly backward?: Omit<BackwardOptions, 'samples'> | undefined
}

/**
 * Throws unless what `accumulate` makes of two parts of the batch, by the extension's own `merge`, is what the whole batch gives: for any
 * result that is made of arrays.
 */
export async function checkMerge<T extends AnyTensor>(
  extension: Extension<unknown>,
  check: MergeCheck<T>,
): Promise<void> {
  const { model, loss, engine = reference, backward: limits, rtol = 1e-8, atol = 1e-10 } = check
  const batch = await batchOf(check)
  if (batch.samples < 2) return
  const { result: whole } = await evaluate(
    backward(batch.lossOf(upTo(batch.samples)), { result: extension }, limits),
    { engine },
  )
  // Parts of different sizes tell a mean that forgets them.
  const middle = Math.floor(batch.samples / 3) || 1
  const all = upTo(batch.samples)
  const parts = [all.slice(0, middle), all.slice(middle)].map((each) => batch.rows(each))
  const lossOf = ({ inputs, targets }: Rows<T>): Tensor => loss(model(inputs), targets)
  const { results } = await accumulate({ result: extension }, parts, { ...limits, loss: lossOf, engine })
  const { merge } = extension['~spec']
  const how = typeof merge === 'function' ? 'its merge' : `merge ${shown(merge)}`
  const found = arraysIn(results.result)
  for (const [path, { data, shape }] of arraysIn(whole)) {
    const what = `${extension.name} of "${path}" from two parts of the batch by ${how}, against the whole`
    demandClose(
      what,
      Float64Array.from(found.get(path)!.data, Number),
      Float64Array.from(data, Number),
      shape,
      { rtol, atol },
    )
  }
}

const shown = (merge: unknown): string =>
  typeof merge === 'string' ? `'${merge}'` : JSON.stringify(merge).replaceAll('"', "'")
