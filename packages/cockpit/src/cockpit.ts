/** @file The cockpit: watches the steps of a training, and logs what its instruments say. */
import {
  backward,
  type BufferMap,
  bufferMap,
  type Measurement,
  type Observer,
  type Parameter,
  type ParameterMap,
  parameterMap,
  parametersOf,
  type StepFacts,
  type TracedStep,
} from '@beyondgrad/autograd'
import {
  BeyondgradError,
  constant,
  type Engine,
  evaluate,
  type Tensor,
  type Updates,
} from '@beyondgrad/tensor'
import { type Configuration, type ConfigurationOptions, instrumentsOf } from './configurations.ts'
import { buffersIn, type Instrument, type InstrumentState } from './instrument.ts'
import type { LogSink } from './log/log-sink.ts'
import { runLog } from './log/run-log.ts'
import type { LoggedValue, RunHeader } from './log/run-line.ts'
import { measureStep, trainedOf, type Wanted } from './measured-step.ts'
import { type RanStep, StepRecords, type TrackedStep } from './step-records.ts'
import { type Schedule, scheduleOf } from './schedule.ts'

export interface CockpitOptions extends ConfigurationOptions {
  /** The folder of the run's log, in Node; or where its lines go. Left out, nothing is written, and `onStep` is all. */
  readonly log?: string | LogSink
  /** Default: 'economy'. */
  readonly instruments?: Configuration | readonly Instrument[]
  /** Steps that are tracked, unless an instrument has a schedule of its own. Default: 1. */
  readonly every?: number | Schedule
  /** Goes on with the log that is in the folder. Default: false. */
  readonly resume?: boolean
  /** What is trained. Needed before the first step only where the cockpit's state is loaded. */
  readonly parameters?: ParameterMap<Parameter>
  /** What the header of the log tells besides. */
  readonly header?: Readonly<Record<string, unknown>>
  /** Called with every tracked step when it is whole. */
  readonly onStep?: (step: TrackedStep) => void
}

/** A step of a loop of one's own. */
export interface OwnStep {
  readonly step: number
  /** As an expression: a linear combination of marked losses. */
  readonly loss: Tensor
  /** What the step writes; done in the same run. Without it, nothing moves. */
  readonly updates?: Updates
  /** Default: 0. */
  readonly learningRate?: number
  /** Where the samples are in their data set. */
  readonly indices?: ArrayLike<number>
  /** Default: those of the cockpit, or all trainable ones that the loss depends on. */
  readonly parameters?: ParameterMap<Parameter>
  readonly engine?: Engine
}

/** Watches training: an observer for `trainStep`, with a log. */
export interface Cockpit extends Observer {
  readonly instruments: readonly Instrument[]
  /** Of what is trained. Throws `value` while that is not known. */
  readonly parameters: ParameterMap<Parameter>
  /** What instruments remember between steps, to be saved with model and optimiser, so that a resumed run goes on. */
  readonly state: BufferMap
  /** Which instruments a loss does not allow, and why; nothing is run. */
  unavailable(loss: Tensor): Readonly<Record<string, string>>
  /** Tracks a step of a loop that is not `trainStep`, and does its updates. Returns the loss before them. */
  track(step: OwnStep): Promise<{ readonly loss: number }>
  /** Logs what the instruments don't know, as accuracies after an epoch; before the first step, together with that. */
  note(step: number, values: Readonly<Record<string, LoggedValue>>): void
  /** Ends the log. */
  close(): Promise<void>
}

/** Opens the log in a folder, or goes on with it. */
export type OpenFolder = (folder: string, options: { readonly resume: boolean }) => LogSink | Promise<LogSink>

/** `openCockpit`, which knows how to open a folder where there are folders. */
export async function cockpitWith(openFolder: OpenFolder, options: CockpitOptions): Promise<Cockpit> {
  const instruments = instrumentsOf(options.instruments ?? 'economy', options)
  const names = instruments.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new BeyondgradError(
      'value',
      `openCockpit: there are two instruments called ${twice}; the log has one place for them`,
    )
  }
  return new ObservingCockpit(options, instruments, await sinkOf(openFolder, options))
}

function sinkOf(openFolder: OpenFolder, { log, resume = false }: CockpitOptions): LogSink | Promise<LogSink> {
  if (typeof log === 'object') return log
  if (log === undefined) return { append: () => undefined, wait: () => undefined, close: () => undefined }
  return openFolder(log, { resume })
}

class ObservingCockpit implements Cockpit {
  readonly instruments: readonly Instrument[]
  private readonly options: CockpitOptions
  private readonly schedules: readonly Schedule[]
  private readonly records: StepRecords
  private known:
    { readonly parameters: ParameterMap<Parameter>; readonly states: readonly InstrumentState[] } | undefined
  private hasBegun = false
  /** What was wanted of each kind of step. */
  private readonly kinds = new Map<string, readonly Wanted[]>()
  /** Instruments that the step after this one completes, by their places. */
  private lastDue: { readonly step: number; readonly places: readonly number[] } | undefined

  constructor(options: CockpitOptions, instruments: readonly Instrument[], sink: LogSink) {
    const every = scheduleOf(options.every ?? 1)
    this.options = options
    this.instruments = instruments
    this.schedules = instruments.map((instrument) =>
      instrument.every === undefined ? every : scheduleOf(instrument.every),
    )
    this.records = new StepRecords(
      runLog(sink),
      sink.before,
      (batchSize) => this.headerOf(batchSize),
      options.onStep,
    )
    if (options.parameters !== undefined) this.meet(options.parameters)
  }

  get parameters(): ParameterMap<Parameter> {
    return this.met().parameters
  }

  get state(): BufferMap {
    const { states } = this.met()
    return bufferMap(states.flatMap((state, i) => buffersIn(this.instruments[i]!.name, state)))
  }

  begin({ parameters, step }: { readonly parameters: ParameterMap<Parameter>; readonly step: number }): void {
    if (this.hasBegun) return
    this.hasBegun = true
    const { parameters: trained, states } = this.meet(parameters)
    this.instruments.forEach((instrument, i) =>
      instrument.begin({ step, parameters: trained, state: states[i]! }),
    )
    const places = this.dueAt(step - 1)
    const names = places.map((place) => this.instruments[place]!).filter(({ after }) => after !== undefined)
    // A step that the last process tracked can still be completed.
    if (
      this.records.resume(
        step,
        names.map(({ name }) => name),
      )
    )
      this.lastDue = { step: step - 1, places }
  }

  extensionsAt(): Record<never, never> {
    return {}
  }

  measurementAt(step: number): Measurement | undefined {
    const wanted = this.wantedAt(step)
    if (wanted.length === 0) return undefined
    const key = wanted.map(({ instrument, stage }) => `${instrument.name} ${stage}`).join()
    this.kinds.set(key, wanted)
    return { key, measure: (traced) => ({ cockpit: { kind: key, ...measureStep(traced, wanted) } }) }
  }

  record(
    step: number,
    results: Readonly<Record<string, unknown>>,
    { learningRate, indices }: StepFacts,
  ): void {
    if (results.cockpit === undefined) return
    const { kind, ...measured } = results.cockpit as { readonly kind: string } & Omit<
      RanStep,
      'step' | 'learningRate' | 'indices' | 'wanted'
    >
    this.records.record({ ...measured, step, learningRate, indices, wanted: this.kinds.get(kind)! })
  }

  unavailable(loss: Tensor): Readonly<Record<string, string>> {
    const parameters = this.known?.parameters ?? trainedIn(loss)
    const { states } = this.known ?? this.meet(parameters)
    const wanted = this.instruments.flatMap((instrument, i): Wanted[] =>
      (['due', 'after'] as const)
        .filter((stage) => instrument[stage] !== undefined)
        .map((stage) => ({ instrument, stage, state: states[i]! })),
    )
    const { parts } = measureStep(stillStep(loss, parameters), wanted)
    return Object.fromEntries(
      parts.flatMap((part, i) =>
        'reason' in part ? [[wanted[i]!.instrument.name, part.reason] as const] : [],
      ),
    )
  }

  async track(own: OwnStep): Promise<{ readonly loss: number }> {
    const { step, loss, updates, learningRate = 0, indices, engine } = own
    const parameters = own.parameters ?? this.known?.parameters ?? trainedIn(loss)
    this.begin({ parameters, step })
    const still = stillStep(loss, parameters)
    const written = new Map(updates?.writes)
    const traced: TracedStep = {
      ...still,
      learningRate: constant(learningRate),
      next: still.parameters.map(
        (parameter) => (written.get(parameter.cell) as Tensor | undefined) ?? parameter.value,
      ),
    }
    const measurement = this.measurementAt(step)
    const measured = measurement?.measure(traced) as { readonly cockpit?: object } | undefined
    const results = await evaluate(
      { loss, ...measured, updates: updates ?? {} },
      { step, ...(engine && { engine }) },
    )
    const value = results.loss.data[0]!
    this.record(step, results, { learningRate, ...(indices && { indices }) })
    return { loss: value }
  }

  note(step: number, values: Readonly<Record<string, LoggedValue>>): void {
    this.records.note(step, values)
  }

  close(): Promise<void> {
    this.records.close()
    return Promise.resolve()
  }

  /** Parameters that are trained, and the state that instruments keep of them. */
  private meet(parameters: ParameterMap<Parameter>): NonNullable<typeof this.known> {
    if (this.known !== undefined) return this.known
    const trained = trainedOf(parameters)
    const states = this.instruments.map((instrument) => instrument.state(trained))
    return (this.known = { parameters: trained, states })
  }

  private met(): NonNullable<typeof this.known> {
    if (this.known !== undefined) return this.known
    throw new BeyondgradError(
      'value',
      'the cockpit does not know yet what is trained; say it with openCockpit({ parameters: model.parameters })',
    )
  }

  private headerOf(batchSize: number): Omit<RunHeader, 'kind' | 'version' | 'started'> {
    return {
      batchSize,
      ...this.options.header,
      parameters: [...this.parameters].map(([{ name, shape }]) => ({ name, shape: [...shape] })),
      quantities: this.instruments.map(({ name }) => name),
    }
  }

  private dueAt(step: number): number[] {
    if (step < 0) return []
    return [...this.schedules.keys()].filter((place) => this.schedules[place]!(step))
  }

  private wantedAt(step: number): Wanted[] {
    const { states } = this.met()
    const of = (place: number, stage: Wanted['stage']): Wanted => ({
      stage,
      instrument: this.instruments[place]!,
      state: states[place]!,
    })
    const before = this.lastDue?.step === step - 1 ? this.lastDue.places : []
    const places = this.dueAt(step)
    this.lastDue = { step, places }
    return [
      ...before
        .filter((place) => this.instruments[place]!.after !== undefined)
        .map((place) => of(place, 'after')),
      ...places.map((place) => of(place, 'due')),
    ]
  }
}

const trainedIn = (loss: Tensor): ParameterMap<Parameter> =>
  parameterMap([...parametersOf([loss], undefined)].map(([parameter]) => parameter))

/** A step that leaves the parameters where they are. */
function stillStep(loss: Tensor, parameters: ParameterMap<Parameter>): TracedStep {
  const trained = trainedOf(parameters)
  return {
    loss,
    parameters: trained,
    next: trained.map(({ value }) => value),
    learningRate: constant(0),
    backward: (extensions) => backward(loss, extensions, { parameters: trained }),
  }
}
