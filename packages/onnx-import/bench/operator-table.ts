/**
 * @file Writes docs/onnx-operators.md: every operator that is imported, its versions, and the cases of ONNX's backend tests that it passes:
 * `npm run onnx-operators -- [--folder ../shared/onnx-conformance]`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type OperatorVersion, runConformanceCase } from '../src/index.ts'
import { knownOperators, versionsOf } from '../src/operators/index.ts'

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: `${process.env.BEYONDGRAD_SHARED ?? '../shared'}/onnx-conformance` },
  },
})

interface Case {
  readonly suite: string
  readonly case: string
  readonly op: string
}

interface Count {
  passed: number
  all: number
}

/** Cases by the operator that they are about. */
async function counted(folder: string): Promise<Map<string, Count>> {
  const counts = new Map<string, Count>()
  if (!existsSync(`${folder}/manifest.json`)) return counts
  const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, 'utf8')) as {
    readonly cases: readonly Case[]
  }
  for (const each of manifest.cases) {
    if (each.suite === 'light') continue
    const path = `${folder}/${each.suite}/${each.case}`
    const files = (kind: string): Uint8Array[] => {
      const list: Uint8Array[] = []
      while (existsSync(`${path}/test_data_set_0/${kind}_${list.length}.pb`)) {
        list.push(new Uint8Array(readFileSync(`${path}/test_data_set_0/${kind}_${list.length}.pb`)))
      }
      return list
    }
    const { status } = await runConformanceCase({
      name: `${each.suite}/${each.case}`,
      model: { path: `${path}/model.onnx` },
      inputs: files('input'),
      outputs: files('output'),
    })
    const count = counts.get(each.op) ?? { passed: 0, all: 0 }
    count.all++
    if (status === 'passed') count.passed++
    counts.set(each.op, count)
  }
  return counts
}

const counts = await counted(values.folder)
const row = (domain: string, name: string): string => {
  const versions = versionsOf(domain, name)
  const positions = (of: (version: OperatorVersion) => readonly number[] | undefined): string =>
    [...new Set(versions.flatMap((version) => of(version) ?? []))].sort((a, b) => a - b).join(', ')
  const { passed, all } = counts.get(name) ?? { passed: 0, all: 0 }
  const tests = domain === '' && all > 0 ? `${passed} of ${all}` : ''
  return `| ${name} | ${positions(({ known }) => known)} | ${positions(({ settings }) => settings)} | ${tests} |`
}
const table = (domain: string): string =>
  [
    '| operator | inputs that must be known | inputs that only set something | backend tests |',
    '| --- | --- | --- | --- |',
    ...knownOperators(domain).map((name) => row(domain, name)),
  ].join('\n')

const refused = [...counts].filter(([, { passed }]) => passed === 0).map(([name]) => name)
const page = fileURLToPath(new URL('../../../docs/onnx-operators.md', import.meta.url))
writeFileSync(
  page,
  `# Operators that are imported

Made by \`npm run onnx-operators\`, on the reference engine. All versions of an operator up to opset 23 are meant. An input that must be known
holds shapes, axes or counts: a constant of the file, something computed from sizes, or an input of the model that is given as \`constant(…)\`.
One that only sets something is never trained, unless the option \`trainable\` says so.
"Backend tests" are ONNX's own cases that are about the operator. \`If\`, \`Loop\` and \`Scan\` are unrolled; \`Constant\` and functions of the model
are no operators but parts of every model.

${table('')}

${refused.length === 0 ? '' : `There are backend tests for these, which are refused: ${refused.sort().join(', ')}.\n`}
## com.microsoft

ONNX Runtime's own, which its optimizer leaves in models of transformers.

${table('com.microsoft')}
`,
)
execFileSync('npx', ['prettier', '--write', '--log-level', 'warn', page])
