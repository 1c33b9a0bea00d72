/** @file One training step as one execution: forward, backward, every extension, and the update. */
import {
  backward,
  type BackwardOptions,
  type Batch,
  defineExtension,
  type Extension,
  type Extensions,
  gradientFlow,
  type Loss,
  type Measurement,
  type Module,
  type Observer,
  type Optimizer,
  type Parameter,
  type ParameterMap,
  type Results,
  type TracedStep,
} from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  type CallOptions,
  compile,
  type Compiled,
  type Engine,
  type Evaluated,
  guard,
  hostData,
  isFloat,
  type NDArray,
  type Tensor,
  type Updates,
} from '@beyondgrad/tensor'
import type { StatefulOptimizer } from './optimizers/optimizer.ts'
import { trainingPass } from './training-pass.ts'

export type { Observer } from '@beyondgrad/autograd'

/** What a training step is made of. */
export interface TrainStepSpec<T extends AnyTensor, X extends Extensions, I extends AnyTensor = Tensor> {
  readonly model: Module<[I]>
  readonly loss: Loss<T>
  readonly optimizer: Optimizer
  /** Computed at every step, under the same keys in its result. */
  readonly extensions?: X
  /**
   * What the optimiser gets, made of the extensions' results: `({ dp }) => dp.gradient` trains on a private gradient. Default:
   * the gradient itself.
   */
  readonly gradient?: (results: Results<X>) => ParameterMap<Tensor>
  readonly observers?: readonly Observer[]
  /** Default: the current engine. */
  readonly engine?: Engine
  /**
   * 'training': dropout drops, and batch normalisation takes the batch's statistics and keeps running ones, which are written
   * with the update or not at all. 'evaluation': the model computes as when it is called. Default: 'training'.
   */
  readonly mode?: 'training' | 'evaluation'
  /** For the backward pass; its parameters are the optimiser's. */
  readonly backward?: Omit<BackwardOptions, 'parameters'>
}

/** What a step returns: the loss before the update, and the extensions' results. */
export type StepResult<X extends Extensions> = {
  /** The loss before the update. */
  readonly loss: number
  /** Counts from 0, or on from the steps that the optimiser had done when the training step was made. */
  readonly step: number
} & Evaluated<Results<X>>

/** The gradient, for the optimiser. */
const gradientForUpdate: Extension<ParameterMap<Tensor>> = /* @__PURE__ */ defineExtension({
  name: 'gradient',
  flow: gradientFlow,
  merge: 'sum',
  parameter: ({ contribution }) => contribution.sum(),
})

/**
 * Compiles a training step. The first call with a new batch shape (or new wishes of an observer) traces; every other
 * call is one native run. Steps may be called without waiting: they run in order. A step that fails changes nothing; NaN or
 * infinity in its batch fails it with a `DataError`. One that is cancelled, as by `train(batch, { signal })`, changes
 * nothing either, and those that were called after it go on.
 */
export function trainStep<
  T extends AnyTensor,
  const X extends Extensions = Record<never, never>,
  I extends AnyTensor = Tensor,
>(spec: TrainStepSpec<T, X, I>): (batch: Batch<T, I>, options?: CallOptions) => Promise<StepResult<X>> {
  const { model, loss, observers = [], extensions = {} as X, mode = 'training' } = spec
  if (!['training', 'evaluation'].includes(mode)) {
    throw new BeyondgradError('value', `trainStep: mode is training or evaluation, not "${mode as string}"`)
  }
  // Those of one's own need not know of rates that come from outside.
  const optimizer = spec.optimizer as Optimizer & Partial<StatefulOptimizer>
  for (const key of ['loss', 'step']) {
    if (key in extensions)
      throw new BeyondgradError('value', `trainStep: "${key}" is taken; call the extension otherwise`)
  }
  type Kind = Compiled<[I, T, Tensor], Record<string, unknown>>
  const kinds = new Map<string, Kind>()
  let next = optimizer.steps ?? 0
  let running = 0
  let hasBegun = false

  const kindOf = (watched: readonly Wish[]): Kind => {
    const key = JSON.stringify(
      watched.map(({ extensions: wanted, measurement }) => [
        Object.entries(wanted).map(([k, e]) => [k, e['~spec'].identity ?? e.name]),
        measurement?.key,
      ]),
    )
    let kind = kinds.get(key)
    if (kind === undefined) {
      kind = compile((inputs: I, targets: T, rate: Tensor) => traceStep(watched, inputs, targets, rate), {
        engine: spec.engine,
        step: () => running,
      })
      kinds.set(key, kind)
    }
    return kind
  }

  return async (batch, options = {}) => {
    const step = next
    const learningRate = optimizer.rateAt?.(step) ?? optimizer.learningRate
    const rate = scalar(learningRate)
    next++
    if (!hasBegun)
      for (const observer of observers) observer.begin?.({ parameters: optimizer.parameters, step })
    hasBegun = true
    const watched = observers.map((observer) => ({
      extensions: observer.extensionsAt(step),
      measurement: observer.measurementAt?.(step),
    }))
    const run = kindOf(watched)
    running = step
    const results = (await run.with(options)(
      batch.inputs as never,
      batch.targets as never,
      rate,
    )) as unknown as {
      readonly loss: { readonly data: ArrayLike<number> }
      readonly own: object
      readonly watched: readonly Readonly<Record<string, unknown>>[]
    }
    const value = results.loss.data[0]!
    const indices = batch.indices && (hostData(batch.indices) as Int32Array | undefined)
    const facts = { learningRate, ...(indices && { indices }) }
    for (const [i, observer] of observers.entries())
      await observer.record(step, { loss: value, ...results.watched[i] }, facts)
    return { ...results.own, loss: value, step } as StepResult<X>
  }

  function traceStep(watched: readonly Wish[], inputs: I, targets: T, rate: Tensor): Record<string, unknown> {
    const pass = trainingPass()
    const value = loss((mode === 'training' ? pass.of(model) : model)(inputs), targets)
    const all: Record<string, Extension<unknown>> = spec.gradient === undefined
      ? { update: gradientForUpdate }
      : {}
    for (const [key, extension] of Object.entries(extensions)) all[`own ${key}`] = extension
    watched.forEach((each, i) => {
      for (const [key, extension] of Object.entries(each.extensions)) all[`${i} ${key}`] = extension
    })
    const options = { ...spec.backward, parameters: optimizer.parameters }
    const results = backward(value, all, options)
    const pick = (prefix: string): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(results)
          .filter(([key]) => key.startsWith(`${prefix} `))
          .map(([key, result]) => [key.slice(prefix.length + 1), result]),
      )
    const own = pick('own')
    const slope = spec.gradient?.(own as Results<X>) ?? (results.update as ParameterMap<Tensor>)
    const update = optimizer.update(slope, rate)
    const traced: TracedStep = {
      loss: value,
      parameters: optimizer.parameters,
      next: afterUpdate(optimizer.parameters, update),
      learningRate: rate,
      backward: (wanted) => backward(value, wanted, options),
    }
    const finite = (of: Tensor, data: AnyTensor, what: string): Tensor =>
      isFloat(data.dtype) ? guard(of, data, { kind: 'finite', what }) : of
    return {
      loss: finite(finite(value, inputs, 'trainStep: the batch'), targets, 'trainStep: the target'),
      own,
      watched: watched.map(({ measurement }, i) => ({ ...pick(String(i)), ...measurement?.measure(traced) })),
      updates: [update, pass.updates()],
    }
  }
}

/** What one observer wants of a step. */
interface Wish {
  readonly extensions: Extensions
  readonly measurement: Measurement | undefined
}

/** Parameters as an update leaves them. */
function afterUpdate(parameters: ParameterMap<Parameter>, update: Updates): ParameterMap<Tensor> {
  const written = new Map(update.writes)
  return parameters.map((parameter) => (written.get(parameter.cell) as Tensor | undefined) ?? parameter.value)
}

const scalar = (value: number): NDArray => ({
  shape: [],
  dtype: 'float32',
  // Engines of single precision round it themselves.
  data: Float64Array.of(value) as unknown as Float32Array<ArrayBuffer>,
})
