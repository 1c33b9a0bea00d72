/** @file Gauges in a page that follow a run while it goes on: only what has changed is drawn anew, and not more often than is of use. */
import type { Run } from '../log/run.ts'
import { dashboard, type DashboardOptions, namedRuns } from './dashboard.ts'
import { GaugeElements } from './gauge-elements.ts'

export interface MountOptions extends DashboardOptions {
  /** Default: 2. */
  readonly redrawsPerSecond?: number
}

export interface MountedCockpit {
  /**
   * What is to be seen from now on; drawn as soon as it is time. A run may go on growing after that: say it again. Throws `value` for as many
   * runs as there are no names.
   */
  show(runs: Run | readonly Run[]): void
  /** Leaves the element empty, and does nothing any more. */
  remove(): void
}

/**
 * Shows the gauges of one run or several in an element of a page, with a style sheet of their own. Nothing is drawn while the page is hidden.
 */
export function mountCockpit(element: HTMLElement, options: MountOptions = {}): MountedCockpit {
  const { ownerDocument: document } = element
  const { redrawsPerSecond = 2, ...shown } = options
  const pause = 1000 / redrawsPerSecond
  const drawing = new GaugeElements(document, element)
  let latest: Run | readonly Run[] | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let lastDrawn = -Infinity

  const draw = (): void => {
    timer = undefined
    if (latest === undefined || document.hidden) return
    const runs = latest
    latest = undefined
    drawing.show(dashboard(runs, shown))
    // From the end of a drawing on, so that a slow one leaves time for others.
    lastDrawn = performance.now()
  }
  const schedule = (): void => {
    if (document.hidden || latest === undefined) return
    timer ??= setTimeout(draw, Math.max(0, lastDrawn + pause - performance.now()))
  }
  document.addEventListener('visibilitychange', schedule)
  return {
    show: (runs) => {
      // Complains to whoever calls, and not later to nobody.
      namedRuns(runs, shown)
      latest = runs
      schedule()
    },
    remove: () => {
      clearTimeout(timer)
      latest = undefined
      document.removeEventListener('visibilitychange', schedule)
      drawing.remove()
    },
  }
}
