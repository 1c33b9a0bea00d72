/**
 * @file Damaged model files by the thousand, by seed: every one must be read or refused with a reason, within 2 s and 10 times its size +
 * 200 MB: `npm run mutations -- [--count 10000] [--first 0] [--folder ../shared]`. Children do the work, so that a crash or a hang is
 * seen from outside.
 */
import { fork } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { outcomeOf } from '../test/hostile-run.ts'
import { mutated } from '../test/mutate.ts'

interface Report {
  readonly seed: number
  readonly kind?: string
  readonly size?: number
  readonly outcome?: string
  readonly seconds?: number
  /** The process's, in bytes, before and at its peak. */
  readonly before?: number
  readonly peak?: number
}

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    first: { type: 'string', default: '0' },
    folder: { type: 'string', default: process.env.BEYONDGRAD_SHARED ?? '../shared' },
    child: { type: 'boolean', default: false },
  },
})

/** Files of models, without those that take long even when nothing is wrong with them. */
function modelFiles(folder: string): Uint8Array[] {
  const fixtures = fileURLToPath(new URL('../../../fixtures', import.meta.url))
  const roots = [
    ...['onnx-models', 'onnx-traps', 'onnx-real', 'onnx-conformance'].map((name) => `${folder}/${name}`),
    fixtures,
  ]
  return roots
    .filter((root) => existsSync(root))
    .flatMap((root) =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .sort()
        .map((path) => `${root}/${path}`),
    )
    .filter(
      (path) =>
        path.endsWith('model.onnx') &&
        !path.includes('/light/') &&
        statSync(path).size < 2e6 &&
        statSync(path).size > 0,
    )
    .map((path) => new Uint8Array(readFileSync(path)))
}

const files = modelFiles(values.folder)
const last = Number(values.first) + Number(values.count)

async function work(): Promise<void> {
  for (let seed = Number(values.first); seed < last; seed++) {
    process.send!({ seed } satisfies Report)
    const { kind, bytes } = mutated(files, seed)
    const before = process.memoryUsage().rss
    const start = performance.now()
    let outcome: string
    try {
      outcome = await outcomeOf(bytes)
    } catch (error) {
      outcome = `UNEXPECTED ${(error as Error).stack ?? String(error)}`
    }
    const seconds = (performance.now() - start) / 1000
    const peak = process.resourceUsage().maxRSS * 1024
    process.send!({ seed, kind, size: bytes.length, outcome, seconds, before, peak } satisfies Report)
  }
}

/** Files of one child: its peak of memory tells of them alone. */
const share = 250

async function supervise(): Promise<void> {
  const outcomes = new Map<string, number>()
  const kinds = new Map<string, number>()
  const wrong: string[] = []
  const add = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1)
  let [slowest, largest] = [0, 0]
  const chunk = async (first: number, count: number): Promise<number> => {
    const child = fork(
      fileURLToPath(import.meta.url),
      ['--child', '--first', String(first), '--count', String(count), '--folder', values.folder],
      { execArgv: process.execArgv },
    )
    let next = first
    let timer: NodeJS.Timeout | undefined
    const watch = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
    }
    // Before the first file a child is not measured: it loads this program.
    let peak: number | undefined
    child.on('message', (report: Report) => {
      watch()
      next = report.seed + 1
      if (report.outcome === undefined) return
      const { seed, kind = '', outcome, seconds = 0, size = 0, before = 0 } = report
      add(outcomes, outcome.startsWith('UNEXPECTED') ? 'UNEXPECTED ERROR' : outcome)
      add(kinds, kind)
      const grown = peak === undefined || report.peak! > peak ? report.peak! - before : 0
      peak = report.peak!
      slowest = Math.max(slowest, seconds)
      largest = Math.max(largest, grown)
      if (outcome.startsWith('UNEXPECTED')) wrong.push(`${seed} (${kind}): ${outcome}`)
      if (seconds > 2) wrong.push(`${seed} (${kind}, ${size} bytes, ${outcome}): ${seconds.toFixed(1)} s`)
      if (grown > 10 * size + 200 * 2 ** 20)
        wrong.push(`${seed} (${kind}, ${size} bytes, ${outcome}): ${Math.round(grown / 2 ** 20)} MB`)
    })
    const code = await new Promise<number | string>((resolve) =>
      child.on('exit', (status, signal) => resolve(status ?? signal ?? '')),
    )
    clearTimeout(timer)
    if (code !== 0) {
      add(outcomes, 'CRASH OR HANG')
      wrong.push(`${next - 1}: the process ended with ${code}`)
    }
    return next
  }
  for (let seed = Number(values.first); seed < last;) seed = await chunk(seed, Math.min(share, last - seed))
  const table = (map: Map<string, number>): string =>
    [...map]
      .sort((a, b) => b[1] - a[1])
      .map(([key, count]) => `${String(count).padStart(7)}  ${key}`)
      .join('\n')
  console.log(
    `${Number(values.count)} files made of ${files.length}\n\n${table(outcomes)}\n\nby damage\n${table(kinds)}`,
  )
  console.log(
    `\nslowest ${slowest.toFixed(2)} s, most memory of one file ${Math.round(largest / 2 ** 20)} MB`,
  )
  console.log(wrong.length === 0 ? 'nothing went wrong' : wrong.map((line) => `WRONG ${line}`).join('\n'))
  if (wrong.length > 0) process.exitCode = 1
}

if (values.child) {
  await work()
  process.disconnect()
} else {
  await supervise()
}
