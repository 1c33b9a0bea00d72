/**
 * @file Runs folders of ONNX's backend tests and prints how many cases pass, by operator: `npm run conformance -- FOLDER
 * [--engine reference|onnxruntime] [--only TEXT] [--suite NAME] [--tier N] [--verbose]`.
 */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { type ConformanceResult, runConformanceCase } from '@beyondgrad/onnx-import'
import { type Engine, referenceEngine } from '@beyondgrad/tensor'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { listedCases, readCase } from '../src/conformance/cases.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: 'reference' },
    only: { type: 'string' },
    suite: { type: 'string' },
    tier: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const [folder = '../shared/onnx-conformance'] = positionals
const engine: Engine =
  values.engine === 'onnxruntime' ? onnxruntime() : referenceEngine({ warn: () => undefined })
type Counts = Record<ConformanceResult['status'], number>
const byOperator = new Map<string, Counts>()
const byTier = new Map<string, Counts>()
const count = (map: Map<string, Counts>, key: string, status: ConformanceResult['status']): void => {
  const counts = map.get(key) ?? { passed: 0, failed: 0, unsupported: 0, error: 0 }
  counts[status]++
  map.set(key, counts)
}

for (const each of listedCases(folder)) {
  if (values.only !== undefined && !`${each.op} ${each.case}`.includes(values.only)) continue
  if (values.suite !== undefined ? each.suite !== values.suite : each.suite === 'light') continue
  if (values.tier !== undefined && String(each.tier) !== values.tier) continue
  const wide = each.case.includes('densenet')
  const result = await runConformanceCase(readCase(join(folder, each.suite, each.case)), {
    engine,
    rtol: wide ? 2e-3 : 1e-3,
  })
  count(byOperator, each.op, result.status)
  count(byTier, `tier ${each.tier}, ${each.suite}`, result.status)
  count(byTier, `tier ${each.tier}`, result.status)
  if (result.status !== 'passed' || values.verbose) {
    console.log(`${result.status} ${result.name}: ${(result.message ?? '').slice(0, 300)}`)
  }
}
const line = ([key, { passed, failed, unsupported, error }]: [string, Counts]): string =>
  `${key}: ${passed} passed, ${failed} failed, ${unsupported} unsupported, ${error} errors`
console.log(
  [...byOperator]
    .filter(([, { failed, unsupported, error }]) => failed + unsupported + error > 0)
    .map(line)
    .join('\n'),
)
console.log([...byTier].sort().map(line).join('\n'))

/** What is promised of the operators that are wanted, and of those that are welcome. */
const least: Readonly<Record<string, number>> = { 'tier 1': 0.98, 'tier 2': 0.8 }
for (const [tier, share] of Object.entries(least)) {
  const counts = byTier.get(tier)
  if (counts === undefined) continue
  const total = Object.values(counts).reduce((a, b) => a + b, 0)
  if (counts.passed >= share * total) continue
  console.error(`${tier}: ${counts.passed} of ${total} pass, and ${share * 100} % are promised`)
  process.exitCode = 1
}
