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
  type Module,
  type Optimizer,
  type ParameterMap,
  type Results,
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
  type Tensor,
} from '@beyondgrad/tensor'

/** Watches training: names what it wants to see of a step and receives it. */
export interface Observer {
  /**
   * Extensions that the given step should compute for this observer. Those with the same names and options as at an
   * earlier step are taken for the same, so that the step need not be compiled again.
   */
  extensionsAt(step: number): Extensions
  record(step: number, results: Readonly<Record<string, unknown>>): void | Promise<void>
}

/** What a training step is made of. */
export interface TrainStepSpec<T extends AnyTensor, X extends Extensions> {
  readonly model: Module
  readonly loss: Loss<T>
  readonly optimizer: Optimizer
  /** Computed at every step, under the same keys in its result. */
  readonly extensions?: X
  readonly observers?: readonly Observer[]
  /** Default: the current engine. */
  readonly engine?: Engine
  /** For the backward pass; its parameters are the optimiser's. */
  readonly backward?: Omit<BackwardOptions, 'parameters'>
}

/** What a step returns: the loss before the update, and the extensions' results. */
export type StepResult<X extends Extensions> = {
  /** The loss before the update. */
  readonly loss: number
  /** Counts from 0. */
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
export function trainStep<T extends AnyTensor, const X extends Extensions = Record<never, never>>(
  spec: TrainStepSpec<T, X>,
): (batch: Batch<T>, options?: CallOptions) => Promise<StepResult<X>> {
  const { model, loss, optimizer, observers = [], extensions = {} as X } = spec
  for (const key of ['loss', 'step']) {
    if (key in extensions)
      throw new BeyondgradError('value', `trainStep: "${key}" is taken; call the extension otherwise`)
  }
  const kinds = new Map<string, Compiled<[Tensor, T], Record<string, unknown>>>()
  let next = 0
  let running = 0

  const kindOf = (watched: readonly Extensions[]): Compiled<[Tensor, T], Record<string, unknown>> => {
    const key = JSON.stringify(
      watched.map((each) => Object.entries(each).map(([k, e]) => [k, e['~spec'].identity ?? e.name])),
    )
    let kind = kinds.get(key)
    if (kind === undefined) {
      kind = compile((inputs: Tensor, targets: T) => traceStep(watched, inputs, targets), {
        engine: spec.engine,
        step: () => running,
      })
      kinds.set(key, kind)
    }
    return kind
  }

  return async (batch, options = {}) => {
    const step = next++
    const watched = observers.map((observer) => observer.extensionsAt(step))
    const run = kindOf(watched)
    running = step
    const results = (await run.with(options)(batch.inputs, batch.targets as never)) as unknown as {
      readonly loss: { readonly data: ArrayLike<number> }
      readonly own: object
      readonly watched: readonly Readonly<Record<string, unknown>>[]
    }
    const value = results.loss.data[0]!
    for (const [i, observer] of observers.entries())
      await observer.record(step, { loss: value, ...results.watched[i] })
    return { ...results.own, loss: value, step } as StepResult<X>
  }

  function traceStep(watched: readonly Extensions[], inputs: Tensor, targets: T): Record<string, unknown> {
    const value = loss(model(inputs), targets)
    const all: Record<string, Extension<unknown>> = { update: gradientForUpdate }
    for (const [key, extension] of Object.entries(extensions)) all[`own ${key}`] = extension
    watched.forEach((each, i) => {
      for (const [key, extension] of Object.entries(each)) all[`${i} ${key}`] = extension
    })
    const results = backward(value, all, { ...spec.backward, parameters: optimizer.parameters })
    const pick = (prefix: string): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(results)
          .filter(([key]) => key.startsWith(`${prefix} `))
          .map(([key, result]) => [key.slice(prefix.length + 1), result]),
      )
    const guarded = guard(value, inputs, { kind: 'finite', what: 'trainStep: the batch' })
    const areNumbers = targets.dtype === 'float32'
    return {
      loss: areNumbers ? guard(guarded, targets, { kind: 'finite', what: 'trainStep: the target' }) : guarded,
      own: pick('own'),
      watched: watched.map((_, i) => pick(String(i))),
      updates: optimizer.update(results.update as ParameterMap<Tensor>),
    }
  }
}
