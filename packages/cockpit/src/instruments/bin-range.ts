/** @file Where the bins of a histogram lie: given, as wide as the numbers of the step, or adapted now and then as Cockpit does. */
import { type Schedule, scheduleOf } from '../schedule.ts'
import { type Adaptation, type Range, rangeFor } from './histogram.ts'

/** A range that follows the numbers: what was seen at one of its steps holds from the next step on. */
export interface AdaptedRange extends Adaptation {
  /** Where it begins. */
  readonly start: Range
  /** Steps at which it adapts. Default: every step. */
  readonly every?: number | Schedule
}

/**
 * 'largest': from −e to e, where e is the largest absolute value of the step itself, so that nothing is outside; or a fixed range, or
 * one that adapts.
 */
export type RangeOption = 'largest' | Range | AdaptedRange

/** A range as it is at each step. */
export interface BinRange {
  /** The range to bin a step by; `largest` looks at its numbers. */
  at(step: number, largest: () => number): Range
  /** Undefined where it depends on the numbers of the step. */
  readonly now: () => Range | undefined
}

const isRange = (option: RangeOption): option is Range => Array.isArray(option)

export function binRange(option: RangeOption): BinRange {
  if (option === 'largest') return { at: (_step, largest) => rangeFor(largest()), now: () => undefined }
  if (isRange(option)) return { at: () => option, now: () => option }
  const due = scheduleOf(option.every ?? 1)
  let current = option.start
  return {
    now: () => current,
    at: (step, largest) => {
      const range = current
      if (due(step)) current = rangeFor(largest(), option)
      return range
    },
  }
}
