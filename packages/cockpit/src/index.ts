/** @file Instruments for training: what is wrong with a run, while it runs, and the log that tells it afterwards. */
import { type Cockpit, type CockpitOptions, cockpitWith } from './cockpit.ts'
import { openRunFile } from './log/run-file.ts'

export * from './everywhere.ts'

/** Opens a cockpit. Throws `value` for unknown instruments, two of one name, or a folder that has a run already. */
export function openCockpit(options: CockpitOptions = {}): Promise<Cockpit> {
  return cockpitWith(openRunFile, options)
}
