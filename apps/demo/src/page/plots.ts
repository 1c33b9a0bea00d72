/** @file The place where the cockpit draws, and what it draws there: this run, and the one before it. */
import type { Run } from '@beyondgrad/cockpit'
import { mountCockpit, type MountedCockpit } from '@beyondgrad/cockpit/report'
import type { PageState } from './state.ts'

const nothing: Run = { header: undefined, steps: [], notes: [] }

export class Plots {
  readonly place: HTMLElement = document.createElement('div')
  #mounted: MountedCockpit | undefined
  #names: readonly string[] = []
  /** What was shown last: the runs and their lengths. */
  #shown = ''

  show(state: PageState): void {
    const { names, runs } = compared(state)
    if (names.join() !== this.#names.join() || this.#mounted === undefined) {
      this.#mounted?.remove()
      this.#mounted = mountCockpit(this.place, { names })
      this.#names = names
      this.#shown = ''
    }
    const shown = runs.map(({ header, steps, notes }) => [header?.started, steps.length, notes.length]).join()
    if (shown === this.#shown) return
    this.#shown = shown
    this.#mounted.show(runs)
  }
}

/** This run, and the one before it if there is one. */
export function compared({ run = nothing, previous }: Pick<PageState, 'run' | 'previous'>): {
  readonly names: readonly string[]
  readonly runs: readonly Run[]
} {
  return previous === undefined
    ? { names: ['this run'], runs: [run] }
    : { names: ['this run', 'the run before'], runs: [run, previous.run] }
}
