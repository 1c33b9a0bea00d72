/** @file The extended backward pass: gradient, and everything beyond it that was asked for, as one lazy graph. */
import {
  type AnyTensor,
  BeyondgradError,
  constant,
  namedMap,
  protocol,
  type Tensor,
} from '@beyondgrad/tensor'
import { type Analysis, analyse } from './analysis.ts'
import type { Context, Extension, Extensions, Results } from './extension.ts'
import type { Flow, FlowOptions } from './flow.ts'
import type { Parameter, ParameterMap } from './parameter.ts'

export interface BackwardOptions {
  /** Default: every trainable parameter that the loss depends on. */
  readonly parameters?: ParameterMap<Parameter> | readonly Parameter[]
  /** Inputs whose sample axis is not the one that the loss's axis 0 leads to. */
  readonly samples?: ReadonlyMap<AnyTensor, number>
  /**
   * What to do with terms of parameters alone, such as weight decay, which belong to no sample and count for `Gradient` in any case:
   * 'refuse' extensions that want samples or curvature, or leave them out there ('ignore'). Default: 'refuse'.
   */
  readonly regularizers?: 'refuse' | 'ignore'
  /**
   * Bytes that second-order columns at one node may take, and samples' gradients where they are multiplied out; what is more comes in
   * chunks. Default: 32 MiB.
   */
  readonly memory?: number
  /** Exact second order with more columns than this is refused. Default: 20,000. */
  readonly limit?: number
}

export const defaults: FlowOptions = { memory: 32 * 2 ** 20, limit: 20_000 }

/**
 * Runs extensions along the backward pass of a loss. Everything is lazy: `evaluate` the result, or return it from a
 * compiled function; what several extensions need is computed once.
 *
 * Throws `not-a-loss` if the loss is not of that kind, `mixed-samples` or `unsupported` where an extension needs samples or
 * curvature that cannot be had.
 *
 * @param loss a linear combination of marked losses, such as `crossEntropy(model(x), y)`
 * @param extensions what to compute, under keys of your own
 * @returns results under the same keys, typed by their extensions
 */
export function backward<const X extends Extensions>(
  loss: Tensor,
  extensions: X,
  options: BackwardOptions = {},
): Results<X> {
  const limits = checkOptions('backward', options)
  return runExtensions(analyse(loss, options), extensions, limits)
}

/** The limits among the options of `backward`, or of what is like it; throws `value` for options that are none. */
export function checkOptions(
  caller: string,
  options: Pick<BackwardOptions, 'regularizers' | 'memory' | 'limit'>,
): FlowOptions {
  const { regularizers, memory = defaults.memory, limit = defaults.limit } = options
  for (const [name, value] of Object.entries({ memory, limit })) {
    if (!(value > 0))
      throw new BeyondgradError('value', `${caller}: ${name} must be a positive number, not ${value}`)
  }
  if (regularizers !== undefined && regularizers !== 'refuse' && regularizers !== 'ignore') {
    throw new BeyondgradError(
      'value',
      `${caller}: regularizers is "refuse" or "ignore", not "${String(regularizers)}"`,
    )
  }
  return { memory, limit }
}

/** Results of extensions, once a loss has been analysed. */
export function runExtensions<X extends Extensions>(
  analysis: Analysis,
  extensions: X,
  options: FlowOptions,
): Results<X> {
  const context: Context = {
    batchSize: analysis.samples,
    normalizer: analysis.normalizer,
    lossScale: analysis.losses[0]?.scale ?? constant(1),
    parameters: analysis.parameters,
  }
  const flows = new Map<Flow<unknown>, (parameter: Parameter) => unknown>()
  const finished = new Map<unknown, unknown>()
  const running = new Set<unknown>()

  const run = (extension: Extension<unknown>): unknown => {
    checkExtension(extension)
    const spec = extension['~spec']
    // What is not known to be the same is kept apart; equal expressions are merged in the execution anyway.
    const key = spec.identity ?? extension
    if (finished.has(key)) return finished.get(key)
    if (running.has(key)) {
      throw new BeyondgradError('value', `extension "${extension.name}" needs itself`)
    }
    running.add(key)
    const needs = Object.fromEntries(Object.entries(spec.needs).map(([as, need]) => [as, run(need)]))
    let arrive = flows.get(spec.flow)
    if (arrive === undefined) {
      arrive = spec.flow.run(analysis, options, extension.name)
      flows.set(spec.flow, arrive)
    }
    const byParameter = namedMap(
      analysis.parameters.map((parameter) => {
        const contribution = arrive(parameter)
        return [parameter, spec.parameter({ contribution, parameter, needs, context })] as const
      }),
    )
    const result = spec.finish({ byParameter, needs, context })
    running.delete(key)
    finished.set(key, result)
    return result
  }
  return Object.fromEntries(
    Object.entries(extensions).map(([key, extension]) => [key, run(extension)]),
  ) as Results<X>
}

/** Throws `protocol` for what is no extension, or one of another protocol. */
export function checkExtension(extension: Extension<unknown>): void {
  const found: number | undefined = (extension as Partial<Extension<unknown>> | undefined)?.protocol
  if (found === protocol) return
  throw new BeyondgradError(
    'protocol',
    found === undefined
      ? 'backward: expected an extension; call its factory, as in { variance: Variance() }'
      : `extension "${extension.name}" speaks protocol ${String(found)}, this copy of @beyondgrad/autograd protocol ${protocol}: install versions that belong together`,
  )
}
