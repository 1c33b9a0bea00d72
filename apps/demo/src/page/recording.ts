/** @file What a run has logged so far: as text to be saved, and as a run to be looked at. */
import { parseRun, type Run } from '@beyondgrad/cockpit'

export class Recording {
  readonly #pieces: string[] = []

  push(text: string): void {
    this.#pieces.push(text)
  }

  get run(): Run {
    return parseRun(this.#pieces.join(''))
  }

  /** The text of run.jsonl. */
  get text(): string {
    return this.#pieces.join('')
  }
}
