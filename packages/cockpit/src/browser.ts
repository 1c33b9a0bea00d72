/** @file The package in browsers: the same as `index.ts`, without the files that only Node has. */
import { BeyondgradError } from '@beyondgrad/tensor'
import { type Cockpit, type CockpitOptions, cockpitWith } from './cockpit.ts'

export * from './everywhere.ts'

/** Opens a cockpit. Throws `value` for unknown instruments, two of one name, or a log in a folder. */
export function openCockpit(options: CockpitOptions = {}): Promise<Cockpit> {
  return cockpitWith((folder) => {
    throw new BeyondgradError(
      'value',
      `openCockpit: there are no folders in a browser for the log "${folder}"; pass { append, wait, close }, which get its lines`,
    )
  }, options)
}
