/** @file What a diagnosis says of a run: a sentence, and what it rests on. */

/** `note`: worth knowing; `warning`: training would be better without it; `error`: nothing good comes of going on. */
export type Severity = 'note' | 'warning' | 'error'

/** A number that was looked at, and where it begins to mean something. */
export interface Evidence {
  readonly quantity: string
  /** What was made of its values, as "median". */
  readonly of: string
  readonly value: number
  readonly threshold: number
  /** How many logged values it is made of. */
  readonly values: number
}

export interface Finding {
  /** The rule's name. */
  readonly rule: string
  readonly severity: Severity
  /** What is seen, with its numbers, and what to do. */
  readonly sentence: string
  /** What to do, alone. */
  readonly advice: string
  readonly evidence: readonly Evidence[]
  /** How many times the threshold, at least 1; findings of one severity are sorted by it. */
  readonly strength: number
  /** First and last step that it rests on. */
  readonly steps: readonly [number, number]
  readonly parameters?: readonly string[]
  /** Places in the data set, most suspect first. */
  readonly samples?: readonly number[]
  /** Paper or derivation. */
  readonly source: string
}
