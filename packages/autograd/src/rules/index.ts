/** @file The table of rules, by op name. */
import { type AnyTensor, BeyondgradError } from '@beyondgrad/tensor'
import { ownRuleOf } from '../define-op.ts'
import { elementwiseRules } from './elementwise.ts'
import { gatherRules } from './gather.ts'
import type { Rule } from './rule.ts'
import { structuralRules } from './structural.ts'
import { transcendentalRules } from './transcendental.ts'
import { windowRules } from './window.ts'

const rules: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...structuralRules,
  ...windowRules,
  ...gatherRules,
  ...transcendentalRules,
}

/** The rule of a node's op. Composites have none unless they bring it: they are expanded first. */
export function ruleOf(node: AnyTensor): Rule {
  const own = ownRuleOf(node)
  if (own !== undefined) return own
  const rule = Object.hasOwn(rules, node.op.name) ? rules[node.op.name] : undefined
  if (rule === undefined) {
    throw new BeyondgradError('unsupported', `op "${node.op.name}" has no derivative rule`)
  }
  return rule
}

/** Names of the ops that have a rule. */
export function opsWithRules(): readonly string[] {
  return Object.keys(rules)
}
