/**
 * @file Every op on every engine that runs in Node, against the reference engine: writes docs/engines.md.
 * `npm run engines [-- graphs of each operation alone]`
 */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { tfjs } from '@beyondgrad/engine-tfjs'
import type { Engine } from '@beyondgrad/tensor'
import { checkEngine, type EngineReport, engineTable, operations } from '@beyondgrad/testing'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** What the table promises for every op and engine. */
const least = 20
const [each = 20] = process.argv.slice(2).map(Number)
const graphs = 200

const engines: Readonly<Record<string, () => Engine>> = {
  'onnxruntime-node': () => onnxruntime(),
  'onnxruntime-web': () => onnxruntime({ runtime: 'web' }),
  'tfjs cpu': () => tfjs({ backend: 'cpu' }),
  'tfjs wasm': () => tfjs({ backend: 'wasm' }),
}

const require = createRequire(import.meta.url)

function versionOf(name: string): string {
  // Not every package exports its package.json.
  const file = require.resolve(name)
  const folder = file.slice(0, file.lastIndexOf(`/node_modules/${name}/`) + `/node_modules/${name}/`.length)
  return (JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as { version: string }).version
}

const reports = new Map<string, EngineReport>()
for (const [name, make] of Object.entries(engines)) {
  const started = performance.now()
  const report = await checkEngine(make(), { graphs, each, allowRefusals: true })
  reports.set(name, report)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.error(`${name}: ${report.graphs} graphs, ${report.ops.size} ops, ${seconds} s`)
}

const ops = new Set([...reports.values()].flatMap((report) => [...report.ops.keys()]))
const rare = [...reports].flatMap(([name, report]) =>
  [...ops]
    .filter((op) => (report.ops.get(op) ?? 0) < least)
    .map((op) => `${name} ${op} ${report.ops.get(op) ?? 0}`),
)

const table = engineTable(reports)
console.log(table)
const page = fileURLToPath(new URL('../../../docs/engines.md', import.meta.url))
const generated = `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, onnxruntime-node ${versionOf('onnxruntime-node')}, onnxruntime-web ${versionOf('onnxruntime-web')}, TensorFlow.js ${versionOf('@tensorflow/tfjs-core')}`
const [before, , after] = readFileSync(page, 'utf8').split(/(<!-- table -->[^]*<!-- end of the table -->)/)
writeFileSync(
  page,
  `${before}<!-- table -->\n\nMade by \`npm run engines\`: ${generated}. Each operation alone in ${each} graphs, and ${graphs} of all ${operations.length} operations mixed.\n\n${table}\n\n<!-- end of the table -->${after}`,
)
execFileSync('npx', ['prettier', '--write', '--log-level', 'warn', page])

if (rare.length > 0) {
  console.error(`fewer than ${least} graphs: ${rare.join(', ')}`)
  process.exitCode = 1
}
