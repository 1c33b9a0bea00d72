/** @file Measures what each quantity costs on top of the gradient, on this machine. */
import Table from 'cli-table3'
import { fork } from 'node:child_process'
import { knownQuantities, loadPlugins } from '../plugins.ts'
import { checkNames } from '../requested-quantities.ts'
import type { Terminal } from '../terminal.ts'
import { UsageError } from '../usage-error.ts'
import { hugePages, hugePagesAvailable } from './huge-pages.ts'
import type { Answer, Answered, Measurement, MeasurementRequest } from './measurement.ts'
import { isProblem, problems } from './problems.ts'

/** What the command was asked for. */
export interface BenchOptions {
  readonly problem: string
  readonly batch?: number
  readonly quantities: string
  readonly engine: string
  readonly threads?: number
  readonly seconds: number
  readonly memory?: number
  readonly hugePages: boolean
  readonly plugin: readonly string[]
  readonly json?: boolean
}

/** The document that `--json` prints. */
export interface BenchReport {
  readonly problem: string
  readonly batch: number
  readonly engine: string
  readonly threads: number
  readonly hugePages: boolean
  readonly results: readonly {
    readonly quantity: string
    readonly median_ms: number
    readonly q1_ms: number
    readonly q3_ms: number
    readonly ratio: number
    readonly peak_mb: number
    readonly first_peak_mb: number
    readonly resident_mb: number
    readonly first_ms: number
  }[]
  readonly compile_ms: number
  readonly build_us_per_node: number
  /** What this problem has not, with the reason; absent if there is nothing. */
  readonly unsupported?: readonly { readonly quantity: string; readonly message: string }[]
}

export async function bench(options: BenchOptions, terminal: Terminal): Promise<void> {
  if (!isProblem(options.problem)) {
    throw new UsageError(
      `there is no problem "${options.problem}"; there are: ${Object.keys(problems).join(', ')}`,
    )
  }
  const known = knownQuantities(await loadPlugins(options.plugin))
  const asked = options.quantities.split(',').map((name) => name.trim())
  checkNames(
    asked.flatMap((list) => list.split('+')),
    known,
  )
  // The gradient is what everything is compared with, so it always comes first.
  const order = ['gradient', ...asked.filter((name) => name !== 'gradient')]
  const batch = options.batch ?? problems[options.problem].batch
  const huge = options.hugePages && hugePagesAvailable()
  const engine = options.engine === 'auto' ? await bestEngine(terminal) : options.engine
  const measured: Measured[] = []
  const unsupported: Refused[] = []
  for (const [i, quantity] of order.entries()) {
    terminal.progress(`${i + 1}/${order.length} ${quantity}`)
    const request: MeasurementRequest = {
      problem: options.problem,
      batch,
      engine,
      threads: options.threads,
      quantities: quantity.split('+'),
      seconds: options.seconds,
      memory: options.memory,
      plugins: options.plugin,
    }
    const answer = await inOwnProcess(request, huge)
    if ('measurement' in answer) measured.push({ quantity, found: answer.measurement })
    else unsupported.push({ quantity, message: answer.refused })
  }
  terminal.progress('')
  const report = reportOf(options.problem, batch, engine, huge, measured, unsupported)
  terminal.print(options.json ? JSON.stringify(report) : render(report))
}

interface Measured {
  readonly quantity: string
  readonly found: Measurement
}

interface Refused {
  readonly quantity: string
  readonly message: string
}

function reportOf(
  problem: string,
  batch: number,
  engine: string,
  huge: boolean,
  measured: readonly Measured[],
  unsupported: readonly Refused[],
): BenchReport {
  const gradient = measured[0]!.found
  return {
    problem,
    batch,
    engine,
    threads: gradient.threads,
    hugePages: huge,
    results: measured.map(({ quantity, found }) => ({
      quantity,
      median_ms: round(found.median_ms),
      q1_ms: round(found.q1_ms),
      q3_ms: round(found.q3_ms),
      ratio: round(found.median_ms / gradient.median_ms),
      peak_mb: round(found.peak_mb),
      first_peak_mb: round(found.first_peak_mb),
      resident_mb: round(found.resident_mb),
      first_ms: round(found.first_ms),
    })),
    compile_ms: round(gradient.first_ms),
    build_us_per_node: round(Math.max(...measured.map(({ found }) => found.build_us_per_node))),
    ...(unsupported.length > 0 && { unsupported }),
  }
}

const round = (x: number): number => Number(x.toPrecision(4))

function render(report: BenchReport): string {
  const table = new Table({
    head: ['quantity', 'median ms', 'quartiles', 'gradients', 'first ms', 'peak MB'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const row of report.results) {
    table.push([
      row.quantity,
      row.median_ms.toFixed(2),
      `${row.q1_ms.toFixed(2)} – ${row.q3_ms.toFixed(2)}`,
      row.ratio.toFixed(2),
      row.first_ms.toFixed(0),
      row.peak_mb.toFixed(0),
    ])
  }
  const pages = report.hugePages ? 'on' : 'off'
  return `${report.problem}, batch ${report.batch}, ${report.engine}, ${report.threads} thread(s), huge pages ${pages}
${table.toString()}
graph building: ${report.build_us_per_node.toFixed(2)} µs a node
${(report.unsupported ?? []).map(({ quantity, message }) => `not here: ${quantity}, since ${message}\n`).join('')}`.trimEnd()
}

async function bestEngine(terminal: Terminal): Promise<string> {
  try {
    await import('onnxruntime-node')
    return 'onnxruntime'
  } catch {
    terminal.complain('onnxruntime-node does not load, so the reference engine is measured')
    return 'reference'
  }
}

/** Measures in a fresh process: peak memory, allocator and sessions belong to this quantity alone. */
function inOwnProcess(request: MeasurementRequest, huge: boolean): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      ...(huge ? hugePages : {}),
      BEYONDGRAD_BENCH_WORKER: JSON.stringify(request),
    }
    const child = fork(process.argv[1]!, [], { env, execArgv: process.execArgv })
    let answered = false
    child.on('message', (message: Answer) => {
      answered = true
      if ('error' in message) reject(new Error(`${request.quantities.join('+')}: ${message.error}`))
      else resolve(message)
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (!answered) {
        reject(
          new Error(`${request.quantities.join('+')}: the measuring process ended with ${signal ?? code}`),
        )
      }
    })
  })
}
