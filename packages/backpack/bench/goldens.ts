/**
 * @file All reference values on every engine that runs in Node: passed / total for each quantity. Fails if one does not pass.
 * `npm run goldens`
 */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { tfjs } from '@beyondgrad/engine-tfjs'
import { type Engine, referenceEngine } from '@beyondgrad/tensor'
import '@tensorflow/tfjs-backend-wasm'
import { allGoldens, compareGolden, type Comparison } from '../test/golden-comparison.ts'

const engines: readonly { readonly name: string; readonly engine: Engine; readonly rtol: number }[] = [
  { name: 'reference', engine: referenceEngine(), rtol: 1e-8 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4 },
  { name: 'tfjs wasm', engine: tfjs({ backend: 'wasm' }), rtol: 1e-4 },
]

interface Count {
  passed: number
  total: number
}

const counts = new Map<string, Map<string, Count>>()
const failures: string[] = []

function countIn(name: string, on: string, { quantity, parameter, worst }: Comparison): void {
  const byEngine = counts.get(quantity) ?? new Map<string, Count>()
  counts.set(quantity, byEngine)
  const count = byEngine.get(on) ?? { passed: 0, total: 0 }
  byEngine.set(on, count)
  count.total++
  if (worst < 1) count.passed++
  else failures.push(`${name} on ${on}: ${quantity} ${parameter} is ${worst.toPrecision(3)} tolerances off`)
}

const cases = allGoldens()
for (const { name: on, engine, rtol } of engines) {
  for (const { name, read } of cases) {
    for (const comparison of await compareGolden(read(), engine, rtol)) countIn(name, on, comparison)
  }
}

const cell = (count: Count | undefined): string => (count ? `${count.passed} / ${count.total}` : '–')
const rows = [...counts].map(([quantity, byEngine]) => [
  quantity,
  ...engines.map(({ name }) => cell(byEngine.get(name))),
])
const head = [`${cases.length} networks`, ...engines.map(({ name, rtol }) => `${name} (${rtol})`)]
for (const row of [head, ...rows]) {
  console.log(row.map((text, i) => (i === 0 ? text.padEnd(22) : text.padStart(20))).join(''))
}
for (const failure of failures) console.error(failure)
if (failures.length > 0) process.exitCode = 1
