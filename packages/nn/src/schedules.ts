/** @file Learning rates as functions of the step. An optimiser takes one in place of a number; no step is traced again. */
import { BeyondgradError } from '@beyondgrad/tensor'

/** The learning rate of a step; steps count from 0. Any function of one's own will do. */
export type Schedule = (step: number) => number

/** The same at every step. */
export function constantRate(rate: number): Schedule {
  return () => rate
}

export interface StepDecayOptions {
  /** Steps between one change and the next. */
  readonly every: number
  /** What the rate is multiplied with each time. Default: 0.1. */
  readonly factor?: number
}

/** rate · factor^⌊step / every⌋: PyTorch's StepLR. */
export function stepDecay(rate: number, { every, factor = 0.1 }: StepDecayOptions): Schedule {
  demandSteps('stepDecay', 'every', every)
  return (step) => rate * factor ** Math.floor(step / every)
}

export interface CosineDecayOptions {
  /** Steps until the rate has come down; it stays there. */
  readonly steps: number
  /** Where it comes down to. Default: 0. */
  readonly least?: number
}

/** Half a cosine from `rate` down to `least` (Loshchilov & Hutter 2017). */
export function cosineDecay(rate: number, { steps, least = 0 }: CosineDecayOptions): Schedule {
  demandSteps('cosineDecay', 'steps', steps)
  return (step) => least + ((rate - least) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps))) / 2
}

export interface LinearWarmupOptions {
  /** Steps until the full rate. */
  readonly steps: number
  /** Share of the rate at step 0. Default: 0. */
  readonly start?: number
}

/** A schedule, or a rate, whose first steps rise linearly; the schedule begins when they are over. */
export function linearWarmup(then: number | Schedule, { steps, start = 0 }: LinearWarmupOptions): Schedule {
  demandSteps('linearWarmup', 'steps', steps)
  const after = typeof then === 'number' ? constantRate(then) : then
  const top = after(0)
  return (step) => (step < steps ? top * (start + ((1 - start) * step) / steps) : after(step - steps))
}

function demandSteps(schedule: string, name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return
  throw new BeyondgradError('value', `${schedule}: ${name} must be a positive integer, not ${value}`)
}
