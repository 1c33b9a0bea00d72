/** @file Schedules: at which steps an instrument is read. */
import { BeyondgradError } from '@beyondgrad/tensor'

/** Whether something is due at a step; steps count from 0. */
export type Schedule = (step: number) => boolean

/** Every `interval` steps, from `offset` on. Throws `value` for an interval that is no positive integer. */
export function linear(interval: number, offset = 0): Schedule {
  if (!Number.isInteger(interval) || interval < 1 || !Number.isInteger(offset)) {
    throw new BeyondgradError(
      'value',
      `linear: takes a positive whole number of steps and a whole offset, not ${interval} and ${offset}`,
    )
  }
  return (step) => step >= offset && (step - offset) % interval === 0
}

export interface LogarithmicOptions {
  /** How many points there are; those that fall on one step are one. Default: 300. */
  readonly points?: number
  /** Default: 10. */
  readonly base?: number
  /** Whether step 0 is one of them. Default: true. */
  readonly initial?: boolean
}

/**
 * Steps base^x, rounded down, for points x that lie evenly from `start` to `end`: `logarithmic(0, 3, { points: 10 })` is 0, 1, 2, 4, 10,
 * 21, 46, 100, 215, 464, 1000.
 */
export function logarithmic(start: number, end: number, options: LogarithmicOptions = {}): Schedule {
  const { points = 300, base = 10, initial = true } = options
  if (!(end >= start) || !Number.isInteger(points) || points < 1 || !(base > 1)) {
    throw new BeyondgradError(
      'value',
      `logarithmic: takes exponents start ≤ end, a positive number of points and a base above 1, not ${start}, ${end}, ${points} and ${base}`,
    )
  }
  const steps = new Set(initial ? [0] : [])
  for (let i = 0; i < points; i++) {
    const x = points === 1 ? start : start + ((end - start) * i) / (points - 1)
    // A power that is whole but for rounding is meant to be whole.
    steps.add(Math.floor(base ** x * (1 + 1e-12)))
  }
  return (step) => steps.has(step)
}

/** What users may say for a schedule: an interval, or a function. */
export const scheduleOf = (every: number | Schedule): Schedule =>
  typeof every === 'function' ? every : linear(every)
