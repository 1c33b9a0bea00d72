/** @file Writes what rules say of themselves into docs/diagnosis.md. `npm run diagnosis-doc`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultRules } from '../src/index.ts'
import { marks, textOf } from './alarms/rule-text.ts'

const file = join(import.meta.dirname, '../../../docs/diagnosis.md')
const text = readFileSync(file, 'utf8')
const [from, to] = marks.map((mark) => text.indexOf(mark)) as [number, number]
writeFileSync(
  file,
  `${text.slice(0, from)}${marks[0]}\n\n${defaultRules.map(textOf).join('\n\n')}\n\n${text.slice(to)}`,
)
