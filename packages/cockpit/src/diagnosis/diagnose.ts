/** @file The diagnosis: what all rules see in a run, what matters most first. */
import type { Run } from '../log/run.ts'
import type { Finding, Severity } from './finding.ts'
import type { Observation, Rule } from './rule.ts'
import { defaultRules } from './rules/index.ts'
import { RunView } from './run-view.ts'

export interface DiagnoseOptions {
  /** Default: `defaultRules`. */
  readonly rules?: readonly Rule[]
  /** How many of the latest values of a quantity are looked at. Default: 50. */
  readonly window?: number
}

/**
 * What is wrong with a run now, at the last step of its log, and what it rests on. Reads windows, not the whole log, so that it can be
 * asked again and again while a run grows. Errors come first, then warnings and notes, the strongest evidence first. Where training broke,
 * the other rules tell what was to be seen before.
 */
export function diagnose(run: Run, options: DiagnoseOptions = {}): readonly Finding[] {
  const { rules = defaultRules, window = 50 } = options
  const whole = new RunView(run, window)
  const seen = rules.map((rule) => ({ rule, observations: rule.find(whole) }))
  const breaks = seen.flatMap(({ observations }) => observations.map((each) => each.breaks ?? Infinity))
  const broken = Math.min(...breaks, Infinity)
  const before = whole.before(broken)
  const counting = seen.flatMap(({ rule, observations }) => {
    const own = broken === Infinity || observations.some((each) => each.breaks !== undefined)
    return (own ? observations : rule.find(before)).map((observation) => ({ rule, observation }))
  })
  const explained = new Set(counting.flatMap(({ observation }) => observation.explains ?? []))
  return counting
    .filter(({ rule }) => !explained.has(rule.name))
    .map(({ rule, observation }) => findingOf(rule, observation))
    .sort((a, b) => order[a.severity] - order[b.severity] || b.strength - a.strength)
}

const order: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 }

function findingOf({ name, source }: Rule, observation: Observation): Finding {
  const { seen, breaks: _breaks, explains: _explains, strength = 1, ...rest } = observation
  return {
    ...rest,
    rule: name,
    sentence: `${seen}; ${rest.advice}`,
    strength: Number.isNaN(strength) ? 1 : strength,
    source,
  }
}
