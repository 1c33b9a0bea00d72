/** @file The document about the diagnosis says of every rule what the rule says of itself. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { textOf } from '../bench/alarms/rule-text.ts'
import { defaultRules } from '../src/index.ts'

const words = (text: string): string => text.replaceAll(/\s+/g, ' ')

it.each(defaultRules.map((rule) => [rule.name, rule] as const))('%s is told as it is', (_, rule) => {
  const document = readFileSync(fileURLToPath(new URL('../../../docs/diagnosis.md', import.meta.url)), 'utf8')
  expect(words(document)).toContain(words(textOf(rule)))
})
