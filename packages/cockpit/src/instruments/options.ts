/** @file Options that all instruments have. */
import type { Schedule } from '../schedule.ts'

export interface InstrumentOptions {
  /** Steps at which it is read: an interval or a schedule. Default: those of the cockpit. */
  readonly every?: number | Schedule
}

/** The options as a definition takes them: nothing where nothing was said. */
export const scheduled = ({ every }: InstrumentOptions): InstrumentOptions =>
  every === undefined ? {} : { every }
