/**
 * @file The extension protocol: what rides along on the backward pass. An extension is data and pure functions; it
 * names the flow it wants, the other extensions it needs, and what it makes of every parameter's contribution.
 */
import { BeyondgradError, protocol, type Tensor } from '@beyondgrad/tensor'
import type { Contribution } from './contribution.ts'
import type { Flow } from './flow.ts'
import type { Scale } from './loss.ts'
import type { DegreeByKey, Merge } from './merge.ts'
import type { Parameter, ParameterMap } from './parameter.ts'

/** Something that `backward` can compute; R is its result. */
export interface Extension<out R> {
  readonly name: string
  readonly protocol: 1
  /** Carries the type only. */
  readonly '~result'?: R
  /** What `backward` runs; its types were checked where the extension was defined. */
  readonly '~spec': ErasedSpec
}

/** What an extension computes. */
export type ResultOf<E> = E extends Extension<infer R> ? R : never
/** Extensions under keys of the caller's own. */
export type Extensions = Readonly<Record<string, Extension<unknown>>>

/** Results under the caller's keys, each typed by its extension. */
export type Results<X extends Extensions> = { readonly [K in keyof X]: ResultOf<X[K]> }

/** What hooks may want to know of the whole. */
export interface Context {
  /** N, the samples of the batch. */
  readonly batchSize: number
  /** What every term of the first marked loss was multiplied with: 1 / terms or 1 / Σ weights under "mean", 1 under "sum". */
  readonly normalizer: Scale
  /** The scale of the first marked loss as an expression, factors outside of the loss included. */
  readonly lossScale: Tensor
  /** Those that results are for. */
  readonly parameters: readonly Parameter[]
}

/**
 * What `defineExtension` takes: N are the extensions needed, A is what the flow delivers, P what is made of it for each
 * parameter, R the result.
 */
export interface ExtensionSpec<N extends Extensions, A, P, R> {
  readonly name: string
  /**
   * Everything that the result depends on besides the loss. Extensions that say so, with the same name, options and
   * hooks, are computed once; an extension that leaves it out is never taken for another.
   */
  readonly options?: Readonly<Record<string, string | number | boolean | null>>
  /** Extensions whose finished results arrive in both hooks. */
  readonly needs?: N
  /** What arrives at each parameter. */
  readonly flow: Flow<A>
  /** How the result scales with the loss. Default: 1. For whoever adds up batches, as is `merge`. */
  readonly degree?: DegreeByKey
  /** Default: results of batches can't be combined. `backward` itself sees one batch, and looks at neither: `accumulate` does. */
  readonly merge?: Merge<R, N>
  /** Called once for each parameter, with all its uses joined. */
  parameter(at: {
    readonly contribution: A
    readonly parameter: Parameter
    readonly needs: Results<N>
    readonly context: Context
  }): P
}

/** What `finish` gets when every parameter has been visited. */
export interface Finished<N extends Extensions, P> {
  readonly byParameter: ParameterMap<P>
  readonly needs: Results<N>
  readonly context: Context
}

/** A specification without its types, as `backward` handles all alike. */
export interface ErasedSpec {
  /** Equal for extensions that are the same; undefined if that can't be told. */
  readonly identity: string | undefined
  readonly needs: Extensions
  readonly flow: Flow<unknown>
  readonly degree: DegreeByKey
  readonly merge: unknown
  parameter(at: {
    readonly contribution: unknown
    readonly parameter: Parameter
    readonly needs: Readonly<Record<string, unknown>>
    readonly context: Context
  }): unknown
  finish(at: {
    readonly byParameter: ParameterMap<unknown>
    readonly needs: Readonly<Record<string, unknown>>
    readonly context: Context
  }): unknown
}

/**
 * Defines an extension. Export a function with an explicit return type that calls this; options live in its closure. Throws
 * `value` for an empty name.
 *
 * @param finish makes the result from what was made of each parameter; default: the map itself
 */
export function defineExtension<
  const N extends Extensions = Record<never, never>,
  A = Contribution,
  P = never,
  R = ParameterMap<P>,
>(spec: ExtensionSpec<N, A, P, R>, finish?: (at: Finished<N, P>) => R): Extension<R> {
  if (spec.name === '') throw new BeyondgradError('value', 'defineExtension: an extension needs a name')
  const needs: Extensions = spec.needs ?? {}
  const erased = {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- only its text is looked at
    identity: identityOf(spec.name, spec.options, [spec.parameter, finish]),
    needs,
    flow: spec.flow,
    degree: spec.degree ?? 1,
    merge: spec.merge,
    parameter: spec.parameter.bind(spec),
    finish: finish ?? (({ byParameter }: Finished<N, P>) => byParameter),
  }
  return { name: spec.name, protocol, '~spec': erased }
}

function identityOf(
  name: string,
  options: ExtensionSpec<Extensions, unknown, unknown, unknown>['options'],
  hooks: readonly unknown[],
): string | undefined {
  if (options === undefined) return undefined
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([name, sorted, hooks.map(String)])
}
