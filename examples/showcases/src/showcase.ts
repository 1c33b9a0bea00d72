/** @file What all showcases do: train with a cockpit, show numbers beside each other, and check what the diagnosis says. */
import { crossEntropy, type Module } from '@beyondgrad/autograd'
import { type Cockpit, diagnose, type Finding, openCockpit, parseRun, type Run } from '@beyondgrad/cockpit'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Adam, batches, type Dataset, SGD, trainStep } from '@beyondgrad/nn'
import Table from 'cli-table3'

export interface Case {
  readonly name: string
  readonly model: Module
  readonly data: Dataset
  readonly learningRate: number
  /** Default: 'sgd'. */
  readonly optimizer?: 'sgd' | 'adam'
  /** Default: 64. */
  readonly batchSize?: number
  readonly steps: number
  /** Rules of which one must speak; none where the run must be quiet. */
  readonly expected: readonly string[]
}

export interface Shown {
  readonly own: Case
  readonly run: Run
  readonly findings: readonly Finding[]
}

const engine = onnxruntime({ threads: 1 })

/** Trains, and returns what was logged; the same numbers at every call. */
export async function watch(own: Case): Promise<Shown> {
  const { model, data, learningRate, optimizer = 'sgd', batchSize = 64, steps } = own
  const lines: string[] = []
  const cockpit: Cockpit = await openCockpit({
    instruments: 'economy',
    log: { append: (line) => void lines.push(line), wait: () => undefined, close: () => undefined },
  })
  const train = trainStep({
    model,
    loss: crossEntropy,
    optimizer: (optimizer === 'adam' ? Adam : SGD)(model.parameters, { learningRate }),
    engine,
    observers: [cockpit],
  })
  for await (const batch of batches(data, {
    size: batchSize,
    seed: 1,
    epochs: Infinity,
    steps,
    dropLast: true,
  }))
    await train(batch)
  await cockpit.close()
  const run = parseRun(lines.join(''))
  return { own, run, findings: diagnose(run) }
}

/** A row for each run: what a column makes of it. */
export function show(
  title: string,
  all: readonly Shown[],
  columns: Readonly<Record<string, (run: Run) => string>>,
): void {
  console.log(`\n${title}`)
  const table = new Table({
    head: ['', 'loss', ...Object.keys(columns)],
    style: { head: [], border: [], compact: true },
  })
  for (const { own, run } of all)
    table.push([own.name, lossOf(run), ...Object.values(columns).map((column) => column(run))])
  console.log(table.toString())
}

/** What the diagnosis says, and whether it is what it should say; if not, the program ends with status 1. */
export function check(all: readonly Shown[]): void {
  for (const { own, findings } of all) {
    const spoken = findings.filter(({ severity }) => severity !== 'note')
    const isRight =
      own.expected.length === 0
        ? spoken.length === 0
        : spoken.length > 0 && own.expected.includes(spoken[0]!.rule)
    if (!isRight) process.exitCode = 1
    console.log(`${isRight ? '✓' : '✗'} ${own.name}`)
    for (const { severity, sentence } of findings) console.log(`    ${severity}: ${sentence}`)
    if (findings.length === 0) console.log('    nothing to say')
  }
}

/** The last values of a quantity, as numbers by `read`. */
export function last<T>(run: Run, quantity: string, read: (value: never) => T, count = 50): readonly T[] {
  return run.steps
    .slice(-count)
    .flatMap(({ quantities }) => (quantity in quantities ? [read(quantities[quantity] as never)] : []))
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

function lossOf(run: Run): string {
  const loss = (step: number): number => run.steps.at(step)!.quantities.Loss as number
  return `${loss(0).toFixed(2)} → ${loss(-1).toFixed(2)}`
}
