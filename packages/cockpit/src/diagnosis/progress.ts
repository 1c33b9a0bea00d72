/** @file How training goes: whether the loss falls, and what the learning rate does. */
import { asFinite, asNorm, type RunView, valueIn } from './run-view.ts'
import { median, quantile } from './statistics.ts'

/** Medians of the loss: of the first values, of the window before the last, and of the last window. */
export interface Progress {
  readonly start: number
  readonly before: number
  readonly now: number
  /** How much of the loss went from one window to the next. */
  readonly fall: number
  /** Distance of the quartiles in the last window, as a share of its median. */
  readonly spread: number
  /** First and last step of both windows. */
  readonly steps: readonly [number, number]
}

/** Undefined as long as there are no two windows, and for losses that are not positive, of which shares say nothing. */
export function progressOf(run: RunView): Progress | undefined {
  const { steps, values } = run.latest('Loss', asFinite, 2 * run.window)
  if (values.length < 2 * run.window) return undefined
  const start = median(run.earliest('Loss', asFinite, 10).values)
  const last = values.slice(run.window)
  const [before, now] = [median(values.slice(0, run.window)), median(last)]
  if (!(start > 0 && before > 0 && now > 0)) return undefined
  return {
    start,
    before,
    now,
    fall: (before - now) / before,
    spread: (quantile(last, 0.75) - quantile(last, 0.25)) / now,
    steps: [steps[0]!, steps.at(-1)!],
  }
}

/** Whether the rate rises, as in a warm-up, or has been lowered on purpose: then short steps are meant. */
export function rateIsOnItsWay(run: RunView): boolean {
  const steps = run.latestSteps()
  const rates = (of: typeof steps): number[] =>
    of.flatMap(({ learningRate }) => (learningRate === undefined ? [] : [learningRate]))
  const window = rates(run.latestSteps(run.window))
  const stride = Math.ceil(steps.length / 200)
  const most = Math.max(...rates(steps.filter((_, i) => i % stride === 0)), ...window)
  const now = window.at(-1)
  return now !== undefined && (now > 1.01 * window[0]! || now < 0.3 * most)
}

/** Whether each step is −rate times the gradient: no momentum, no adaptive rates, no weight decay. Undefined where the log can't tell. */
export function isPlainDescent(run: RunView): boolean | undefined {
  const ratios = run.latestSteps(run.window).flatMap((step) => {
    const [gradient, update] = [valueIn(step, 'GradNorm', asNorm), valueIn(step, 'UpdateSize', asNorm)]
    return step.learningRate === undefined || gradient === undefined || update === undefined || gradient === 0
      ? []
      : [update / (step.learningRate * gradient)]
  })
  if (ratios.length === 0) return undefined
  return ratios.every((ratio) => Math.abs(ratio - 1) < 1e-3)
}

/**
 * Which share of the squared norm of a batch's gradient is the gradient of the data: ‖G‖² / ‖ḡ‖² ≈ 1 − NormTest², since NormTest² estimates
 * (tr Σ / N) / ‖ḡ‖², and ‖ḡ‖² is ‖G‖² + tr Σ / N on average. Below 0 where there is nothing but noise.
 */
export const signalOf = (normTest: number): number => 1 - normTest ** 2

/** The most that a step could lower the loss to first order, ‖ḡ‖ ‖Δθ‖, as a share of the loss: medians over a window. */
export function reachOf(run: RunView): number | undefined {
  const reaches = run.latestSteps(run.window).flatMap((step) => {
    const loss = valueIn(step, 'Loss', asFinite)
    const [gradient, update] = [valueIn(step, 'GradNorm', asNorm), valueIn(step, 'UpdateSize', asNorm)]
    return gradient === undefined || update === undefined || !(loss !== undefined && loss > 0)
      ? []
      : [(gradient * update) / loss]
  })
  return reaches.length < 10 ? undefined : median(reaches)
}
