/** @file How long steps take with the Cockpit and without, and what share of the time it has. */

/** Which instruments look at a step: those that are due, and those that complete the step before. */
export interface Watched {
  readonly due: boolean
  readonly after: boolean
}

/** What a step takes, in milliseconds. */
export interface Costs {
  /** Of a step that nobody looks at; undefined while there was none. */
  readonly plain: number | undefined
  /** Of a step that instruments look at. */
  readonly tracked: number | undefined
  /** What part of all the time is the instruments', from 0 to 1. */
  readonly share: number | undefined
}

/** Adds up what steps took. The first step of each kind is left out, which is prepared before it runs. */
export class StepTimes {
  readonly #prepared = new Set<string>()
  #plain = { count: 0, time: 0 }
  #tracked = { count: 0, time: 0 }

  add({ due, after }: Watched, milliseconds: number): void {
    const kind = `${due} ${after}`
    if (!this.#prepared.has(kind)) {
      this.#prepared.add(kind)
      return
    }
    const sum = due || after ? this.#tracked : this.#plain
    sum.count++
    sum.time += milliseconds
  }

  /** Begins to count anew, as when other steps are tracked. */
  restart(): void {
    this.#plain = { count: 0, time: 0 }
    this.#tracked = { count: 0, time: 0 }
  }

  get costs(): Costs {
    const [plain, tracked] = [this.#plain, this.#tracked].map(({ count, time }) =>
      count === 0 ? undefined : time / count,
    )
    const all = this.#plain.time + this.#tracked.time
    const extra = plain === undefined ? undefined : this.#tracked.time - this.#tracked.count * plain
    const share = extra === undefined || all === 0 ? undefined : Math.max(0, extra / all)
    return { plain, tracked, share }
  }
}
