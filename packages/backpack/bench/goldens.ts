/**
 * @file All reference values on every engine that runs in Node: passed / total for each quantity. Fails if one does not pass.
 * `npm run goldens`
 */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { tfjs } from '@beyondgrad/engine-tfjs'
import { type Engine, referenceEngine } from '@beyondgrad/tensor'
import '@tensorflow/tfjs-backend-wasm'
import { allGoldens, compareGolden } from '../test/golden-comparison.ts'

const engines: readonly { readonly name: string; readonly engine: Engine; readonly rtol: number }[] = [
  { name: 'reference', engine: referenceEngine(), rtol: 1e-8 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4 },
  { name: 'tfjs wasm', engine: tfjs({ backend: 'wasm' }), rtol: 1e-4 },
]

interface Count {
  passed: number
  total: number
}

/** Those that BackPACK has no value for, or another one than automatic differentiation. */
const beyond = 'beyond BackPACK'
const counts = new Map<string, Map<string, Count>>()
const failures: string[] = []

function countIn(quantity: string, column: string, isPassed: boolean): void {
  const row = counts.get(quantity) ?? new Map<string, Count>()
  counts.set(quantity, row)
  const count = row.get(column) ?? { passed: 0, total: 0 }
  row.set(column, count)
  count.total++
  if (isPassed) count.passed++
}

const cases = allGoldens()
for (const { name: on, engine, rtol } of engines) {
  for (const { name, read } of cases) {
    const golden = read()
    for (const { quantity, parameter, worst } of await compareGolden(golden, engine, rtol)) {
      const isPassed = worst < 1
      countIn(quantity, on, isPassed)
      if (golden.golden.unsupported_by_backpack?.[quantity] !== undefined) countIn(quantity, beyond, isPassed)
      if (!isPassed) {
        failures.push(`${name} on ${on}: ${quantity} ${parameter} is ${worst.toPrecision(3)} tolerances off`)
      }
    }
  }
}

const cell = (count: Count | undefined): string => (count ? `${count.passed} / ${count.total}` : '–')
const columns = [...engines.map(({ name }) => name), beyond]
const head = [`${cases.length} networks`, ...engines.map(({ name, rtol }) => `${name} (${rtol})`), beyond]
const rows = [...counts].map(([quantity, row]) => [quantity, ...columns.map((name) => cell(row.get(name)))])
for (const row of [head, ...rows]) {
  console.log(row.map((text, i) => (i === 0 ? text.padEnd(22) : text.padStart(22))).join(''))
}
for (const failure of failures) console.error(failure)
if (failures.length > 0) process.exitCode = 1
