/** @file Follows runs in a terminal: draws them again whenever their logs have grown. */
import type { DashboardOptions } from '@beyondgrad/cockpit/report'
import { setTimeout as wait } from 'node:timers/promises'
import type { Screen } from '../terminal.ts'
import { paintOn } from '../text-plots/paint.ts'
import { followRun } from './runs.ts'
import { runText } from './run-text.ts'

const pause = 500

/** Until somebody stops it. */
export async function watch(
  places: readonly string[],
  shown: DashboardOptions,
  screen: Screen,
): Promise<void> {
  const followed = places.map(followRun)
  let drawn = ''
  let since = Date.now()
  try {
    while (!screen.stopped.aborted) {
      const grown = followed.map((each) => each.readOn()).includes(true)
      if (grown) since = Date.now()
      const size = `${screen.columns} × ${screen.rows}`
      const quiet = Math.floor((Date.now() - since) / 1000)
      const state = followed.some(({ run }) => run.header === undefined)
        ? 'waiting for the first step'
        : quiet < 10
          ? 'following'
          : `nothing new for ${quiet} s`
      if (grown || drawn !== `${size} ${state}`) {
        const text = runText(
          followed.map(({ run }) => run),
          shown,
          { columns: screen.columns, rows: screen.rows - 2, paint: paintOn(screen) },
        )
        screen.redraw(`${text}\n${paintOn(screen)(`${state}; Ctrl-C ends`, 'grey')}`)
        drawn = `${size} ${state}`
      }
      await wait(pause, undefined, { signal: screen.stopped }).catch(() => undefined)
    }
  } finally {
    screen.done()
  }
}
