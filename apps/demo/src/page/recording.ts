/** @file What a run has logged so far: as text to be saved, and as a run to be looked at. */
import { type Run, RunReader } from '@beyondgrad/cockpit'

export class Recording {
  readonly #reader = new RunReader()
  readonly #pieces: string[] = []

  push(text: string): void {
    this.#pieces.push(text)
    this.#reader.push(text)
  }

  /** Its lists go on growing. */
  get run(): Run {
    return this.#reader.run
  }

  /** The text of run.jsonl. */
  get text(): string {
    return this.#pieces.join('')
  }
}
