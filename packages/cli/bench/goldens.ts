/**
 * @file All reference values through the command line: passed / total for each quantity, on each engine of Node. Fails if one does
 * not pass. `npm run goldens:command`
 */
import { compareThroughCommand, goldenFolders, toleranceOf } from '../test/golden-commands.ts'

const engines = [
  { name: 'reference', rtol: 1e-8 },
  { name: 'onnxruntime', rtol: 1e-4 },
  { name: 'tfjs', rtol: 1e-4 },
] as const

interface Count {
  passed: number
  total: number
}

const counts = new Map<string, Map<string, Count>>()
const failures: string[] = []
const folders = goldenFolders()
for (const { name: engine, rtol } of engines) {
  for (const { name, folder } of folders) {
    for (const { quantity, of, worst } of await compareThroughCommand(
      folder,
      engine,
      toleranceOf(name, rtol),
    )) {
      const row = counts.get(quantity) ?? new Map<string, Count>()
      counts.set(quantity, row)
      const count = row.get(engine) ?? { passed: 0, total: 0 }
      row.set(engine, count)
      count.total++
      if (worst < 1) count.passed++
      else failures.push(`${name} on ${engine}: ${quantity} ${of} is ${worst.toPrecision(3)} tolerances off`)
    }
  }
}

const rows = [
  [`${folders.length} networks`, ...engines.map(({ name, rtol }) => `${name} (${rtol})`)],
  ...[...counts].map(([quantity, row]) => [
    quantity,
    ...engines.map(({ name }) => `${row.get(name)?.passed} / ${row.get(name)?.total}`),
  ]),
]
for (const row of rows) {
  console.log(row.map((text, i) => (i === 0 ? text.padEnd(22) : text.padStart(22))).join(''))
}
for (const failure of failures) console.error(failure)
if (failures.length > 0) process.exitCode = 1
