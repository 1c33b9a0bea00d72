/** @file What a kind of tracked step computes: the parts of all its instruments, as one graph; what can't be built is told, and left out. */
import {
  defineExtension,
  type Extensions,
  gradientFlow,
  type Parameter,
  type ParameterMap,
  parameterMap,
  type TracedStep,
} from '@beyondgrad/autograd'
import { type AnyTensor, neg, sub, type Tensor, updates } from '@beyondgrad/tensor'
import type { ErasedStage, Instrument, InstrumentState } from './instrument.ts'

/** An instrument that a step is measured for, and which part of it: the step at which it is due, or the one after. */
export interface Wanted {
  readonly instrument: Instrument
  readonly stage: 'due' | 'after'
  readonly state: InstrumentState
}

/** What a step is measured by: tensors, and what is known while it is traced. */
export interface MeasuredStep {
  readonly batchSize: number
  readonly loss: Tensor
  /** In the order of what was wanted: what was measured, or the reason why it can't be. */
  readonly parts: readonly ({ readonly measured: unknown } | { readonly reason: string })[]
}

/** Builds what is wanted of a step. */
export function measureStep(step: TracedStep, wanted: readonly Wanted[]): MeasuredStep {
  const parameters = trainedOf(step.parameters)
  const stages = wanted.map(({ instrument, stage }) => instrument[stage]!)
  const results = extensionResults(step, stages)
  const change = changeOf(parameters, step)
  const { batchSize } = step.backward({ batchSize: BatchSize })
  const parts = wanted.map(({ state }, i) => {
    const own = results[i]!
    if ('reason' in own) return own
    return attempt(() => ({
      measured: stages[i]!.measure({
        results: own.results as never,
        batchSize,
        loss: step.loss,
        parameters,
        change,
        learningRate: step.learningRate,
        state,
        updates: (writes) => updates([...writes].map(([buffer, value]) => [buffer.cell, value] as const)),
      }),
    }))
  })
  return { batchSize, loss: step.loss, parts }
}

type Own = { readonly results: object } | { readonly reason: string }

/** All extensions in one sweep; if that fails, each instrument's by themselves, to see whose they are. */
function extensionResults(step: TracedStep, stages: readonly ErasedStage[]): readonly Own[] {
  const all: Extensions = Object.fromEntries(
    stages.flatMap(({ extensions }, i) =>
      Object.entries(extensions).map(([key, extension]) => [`${i} ${key}`, extension]),
    ),
  )
  const together = attempt(() => ({ results: step.backward(all) }))
  return stages.map(({ extensions }, i): Own => {
    if ('reason' in together) return attempt(() => ({ results: step.backward(extensions) }))
    const results = together.results as Readonly<Record<string, unknown>>
    return {
      results: Object.fromEntries(Object.keys(extensions).map((key) => [key, results[`${i} ${key}`]])),
    }
  })
}

/** What a model or loss does not allow is a reason, not the end of the training. */
function attempt<T extends object>(build: () => T): T | { readonly reason: string } {
  try {
    return build()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { reason: error.message }
    throw error
  }
}

/** N, as the labels of the sample axis find it. */
const BatchSize = defineExtension(
  {
    name: 'batch-size',
    options: {},
    flow: gradientFlow,
    parameter: () => undefined,
  },
  ({ context }) => context.batchSize,
)

/**
 * What the update adds to each parameter. Where it is written as a difference, what is taken off is known without the rounding of the
 * parameter.
 */
function changeOf(parameters: ParameterMap<Parameter>, { next }: TracedStep): ParameterMap<Tensor> {
  return parameters.map((parameter) => {
    const [now, then] = [parameter.value, next.get(parameter)]
    const [from, taken] = then.inputs as readonly [AnyTensor?, Tensor?]
    return then.op.name === 'sub' &&
      from === now &&
      taken !== undefined &&
      String(taken.shape) === String(now.shape)
      ? neg(taken)
      : sub(then, now)
  })
}

/** Those that training changes. */
export const trainedOf = (parameters: ParameterMap<Parameter>): ParameterMap<Parameter> =>
  parameterMap([...parameters].map(([each]) => each).filter(({ trainable }) => trainable))
