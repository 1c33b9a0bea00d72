/** @file What an instrument is: what it needs of a step, what state it keeps between steps, and how results become a logged value. */
import type { Buffer, Extensions, Parameter, ParameterMap, Results } from '@beyondgrad/autograd'
import { BeyondgradError, type Evaluated, protocol, type Tensor, type Updates } from '@beyondgrad/tensor'
import type { LoggedValue } from './log/run-line.ts'
import type { Schedule } from './schedule.ts'

/** Why a value can't be had. */
export interface Absent {
  readonly absent: string
}

/** Says that a value can't be had, and why: the reason is logged in its place. */
export const absent = (reason: string): Absent => ({ absent: reason })

/** Tensors that are kept between steps, one by one or by parameter; they are saved with `stateOf(cockpit)`. */
export type InstrumentState = Readonly<Record<string, Buffer | ParameterMap<Buffer>>>

/** A step as an instrument sees it while the step is traced. */
export interface Measuring<X extends Extensions, S extends InstrumentState> {
  readonly results: Results<X>
  /** N. */
  readonly batchSize: number
  readonly loss: Tensor
  readonly parameters: ParameterMap<Parameter>
  /** What the update adds to each parameter. */
  readonly change: ParameterMap<Tensor>
  readonly learningRate: Tensor
  readonly state: S
  /** Writes to the instrument's state, which are committed with the step. Return it beside the results. */
  readonly updates: (writes: Iterable<readonly [Buffer, Tensor]>) => Updates
}

/** A step as an instrument sees it when it has run. */
export interface Reading<M, S extends InstrumentState> {
  readonly measured: Evaluated<M>
  readonly step: number
  readonly batchSize: number
  readonly loss: number
  readonly learningRate: number
  /** Where the samples are in their data set, if the batch tells. */
  readonly indices?: ArrayLike<number>
  readonly state: S
}

/** What is asked of one step. */
export interface Stage<X extends Extensions, S extends InstrumentState, M> {
  /** Extensions whose results `measure` gets. Equal ones of several instruments are computed once. */
  readonly extensions?: X
  /** Makes what is to be computed: tensors in any nesting of objects, and writes to state. Default: the extensions' results. */
  readonly measure?: (at: Measuring<X, S>) => M
  /** The value that is logged. */
  readonly log: (at: Reading<M, S>) => LoggedValue | Absent
}

/** What `defineInstrument` takes. */
export interface InstrumentDefinition<
  X extends Extensions,
  S extends InstrumentState,
  M,
  A extends Extensions,
  L,
> extends Omit<Stage<X, S, M>, 'log'> {
  /** As it is called in the log: capitals, as "GradNorm". */
  readonly name: string
  /** Steps at which it is read; default: those of the cockpit. */
  readonly every?: number | Schedule
  /** State for the parameters that are trained. */
  readonly state?: (parameters: ParameterMap<Parameter>) => S
  /** Called before the first step of a process, at step 0 or where a run is resumed. */
  readonly begin?: (at: {
    readonly step: number
    readonly parameters: ParameterMap<Parameter>
    readonly state: S
  }) => void
  /** Undefined where there is something to log after the next step only. */
  readonly log?: (at: Reading<M, S>) => LoggedValue | Absent | undefined
  /** What is asked of the step after one at which it was due, whatever the schedule; its value belongs to the step before. */
  readonly after?: Stage<A, S, L>
}

/** An instrument without its types, as a cockpit handles all alike. */
export interface Instrument {
  readonly name: string
  readonly protocol: 1
  readonly every: number | Schedule | undefined
  readonly due: ErasedStage
  readonly after: ErasedStage | undefined
  state(parameters: ParameterMap<Parameter>): InstrumentState
  begin(at: {
    readonly step: number
    readonly parameters: ParameterMap<Parameter>
    readonly state: InstrumentState
  }): void
}

declare module '@beyondgrad/autograd' {
  interface PluginParts {
    /** Instruments with their default options, by the names that they log under. */
    readonly instruments?: Readonly<Record<string, () => Instrument>>
  }
}

export interface ErasedStage {
  readonly extensions: Extensions
  measure(at: Measuring<Extensions, InstrumentState>): unknown
  log(at: Reading<unknown, InstrumentState>): LoggedValue | Absent | undefined
}

/**
 * Defines an instrument. It is data and functions: what it needs rides along on the step that trains. Throws `value` for a name that
 * is none.
 */
export function defineInstrument<
  const X extends Extensions = Record<never, never>,
  const S extends InstrumentState = Record<never, never>,
  M = Results<X>,
  const A extends Extensions = Record<never, never>,
  L = Results<A>,
>(definition: InstrumentDefinition<X, S, M, A, L>): Instrument {
  const { name, every, after } = definition
  if (!/^[A-Za-z][\w-]*$/.test(name)) {
    throw new BeyondgradError(
      'value',
      `defineInstrument: "${name}" is no name; use letters and digits, as in "GradNorm"`,
    )
  }
  return {
    name,
    protocol,
    every,
    due: erased(
      definition as unknown as InstrumentDefinition<
        Extensions,
        InstrumentState,
        unknown,
        Extensions,
        unknown
      >,
    ),
    after: after && erased(after as unknown as Stage<Extensions, InstrumentState, unknown>),
    state: (parameters) => definition.state?.(parameters) ?? {},
    begin: (at) => definition.begin?.(at as { step: number; parameters: ParameterMap<Parameter>; state: S }),
  }
}

type AnyStage = Omit<Stage<Extensions, InstrumentState, unknown>, 'log'> & {
  readonly log?: (at: Reading<unknown, InstrumentState>) => LoggedValue | Absent | undefined
}

function erased(stage: AnyStage): ErasedStage {
  return {
    extensions: stage.extensions ?? {},
    measure: (at) => (stage.measure === undefined ? at.results : stage.measure(at)),
    log: (at) => stage.log?.(at),
  }
}

/** All buffers of a state under names that begin with the instrument's. */
export function buffersIn(instrument: string, state: InstrumentState): Buffer[] {
  return Object.entries(state).flatMap(([key, part]) =>
    'kind' in part
      ? [part.as({ name: `${instrument}.${key}` })]
      : [...part].map(([parameter, each]) => each.as({ name: `${instrument}.${key}.${parameter.name}` })),
  )
}
