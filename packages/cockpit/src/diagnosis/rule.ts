/** @file What a rule is: what it looks at, where its thresholds come from, and how it sees something in a run. */
import { BeyondgradError } from '@beyondgrad/tensor'
import type { Finding } from './finding.ts'
import type { RunView } from './run-view.ts'

/** What a rule has seen. */
export interface Observation extends Pick<
  Finding,
  'severity' | 'advice' | 'evidence' | 'steps' | 'parameters' | 'samples'
> {
  /** What is seen, with its numbers; small letters, no full stop. */
  readonly seen: string
  /** Default: 1. */
  readonly strength?: number
  /** A step from which on everything else follows from this: other rules look at what came before. */
  readonly breaks?: number
  /** Rules whose findings follow from this one, and are left out beside it. */
  readonly explains?: readonly string[]
}

export type Thresholds = Readonly<Record<string, number>>

export interface RuleDefinition<T extends Thresholds> {
  /** As in `'steps-overshoot'`. */
  readonly name: string
  /** What it says when it speaks, in a sentence. */
  readonly says: string
  /** Quantities, and what else of a log. */
  readonly looksAt: readonly string[]
  readonly thresholds: T
  /** Where the thresholds come from. */
  readonly because: string
  /** What it can't tell. */
  readonly limits: string
  /** Paper or derivation. */
  readonly source: string
  /** Looks at a run; must be cheap and take whatever a log holds. */
  readonly find: (run: RunView, thresholds: T) => Observation | readonly Observation[] | undefined
}

/** A rule without the type of its thresholds. */
export interface Rule extends Omit<RuleDefinition<Thresholds>, 'find'> {
  find(run: RunView): readonly Observation[]
}

/** Defines a rule. Throws `value` for a name that is none. */
export function defineRule<const T extends Thresholds>(definition: RuleDefinition<T>): Rule {
  const { name, thresholds, find } = definition
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new BeyondgradError(
      'value',
      `defineRule: "${name}" is no name; use small letters, digits and hyphens, as in "steps-overshoot"`,
    )
  }
  return { ...definition, find: (run) => [find(run, thresholds) ?? []].flat() }
}
