/** @file Runs cases of ONNX's backend tests on an engine. */
import { type ConformanceResult, runConformanceCase } from '@beyondgrad/onnx-import'
import { DataError } from '@beyondgrad/tensor'
import Table from 'cli-table3'
import { chooseEngine, type EngineName } from '../engine-choice.ts'
import { loadPlugins } from '../plugins.ts'
import type { Terminal } from '../terminal.ts'
import { caseFolders, readCase } from './cases.ts'

export interface ConformanceCommandOptions {
  readonly engine: EngineName
  readonly only?: string
  readonly rtol: number
  readonly atol: number
  readonly plugin: readonly string[]
  readonly json?: boolean
}

/** The document that `--json` prints. */
export interface ConformanceDocument {
  readonly engine: string
  readonly cases: readonly ConformanceResult[]
}

export async function conformance(
  folder: string,
  options: ConformanceCommandOptions,
  terminal: Terminal,
): Promise<void> {
  const plugins = await loadPlugins(options.plugin)
  const operators = plugins.flatMap(({ onnxOperators }) => onnxOperators ?? [])
  const folders = foldersIn(folder).filter((at) => options.only === undefined || at.includes(options.only))
  if (folders.length === 0) {
    const such = options.only === undefined ? '' : ` with "${options.only}" in its name`
    throw new DataError(
      `${folder} holds no case${such}: a case is a folder with model.onnx and test_data_set_0/{input,output}_<i>.pb`,
    )
  }
  const { name, engine } = await chooseEngine(options.engine, terminal)
  const cases: ConformanceResult[] = []
  for (const [i, at] of folders.entries()) {
    const each = readCase(at)
    terminal.progress(`${i + 1}/${folders.length} ${each.name}`)
    const { rtol, atol } = options
    cases.push(await runConformanceCase(each, { engine, rtol, atol, operators }))
  }
  terminal.progress('')
  const document: ConformanceDocument = { engine: name, cases }
  terminal.print(options.json ? JSON.stringify(document) : render(document))
}

function foldersIn(folder: string): string[] {
  try {
    return caseFolders(folder)
  } catch (error) {
    throw new DataError(
      `${folder} cannot be read (${error instanceof Error ? error.message : String(error)}): check the path`,
    )
  }
}

const statuses = ['passed', 'failed', 'unsupported', 'error'] as const

type Counts = Record<(typeof statuses)[number], number>

function render({ engine, cases }: ConformanceDocument): string {
  const byOperator = new Map<string, Counts>()
  const none = (): Counts => ({ passed: 0, failed: 0, unsupported: 0, error: 0 })
  const whole = none()
  for (const { status, operators } of cases) {
    whole[status]++
    for (const operator of operators) {
      const counts = byOperator.get(operator) ?? none()
      counts[status]++
      byOperator.set(operator, counts)
    }
  }
  const table = new Table({
    head: ['operator', ...statuses],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const [operator, counts] of [...byOperator].sort(([a], [b]) => (a < b ? -1 : 1))) {
    table.push([operator, ...statuses.map((status) => String(counts[status]))])
  }
  return [
    ...cases
      .filter(({ status }) => status !== 'passed')
      .map(({ status, name, message = '' }) => `${status} ${name}: ${message.split('\n')[0]!.slice(0, 300)}`),
    table.toString(),
    `${cases.length} cases on ${engine}: ${statuses.map((status) => `${whole[status]} ${status}`).join(', ')}`,
  ].join('\n')
}
