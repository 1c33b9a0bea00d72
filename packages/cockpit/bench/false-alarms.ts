/**
 * @file What the diagnosis says of healthy trainings, where every warning is a false alarm, and of trainings with a planted fault. Asked at every
 * 25th step, as a page would that is looked at now and then. Run with `npm run cockpit-alarms -- [healthy planted labels] [--seeds 1,2]`.
 */
import type { Dataset } from '@beyondgrad/nn'
import { parseArgs } from 'node:util'
import { diagnose, type Finding, type Run } from '../src/index.ts'
import { type DataName, images, present } from './alarms/data.ts'
import { rawPixels, wrongLabels } from './alarms/faults.ts'
import { type NetworkName, runOf, type Training } from './alarms/training.ts'

const steps = 250
const { values: options, positionals } = parseArgs({
  options: { seeds: { type: 'string', default: '1,2' } },
  allowPositionals: true,
})
/** Thresholds were chosen with 1 and 2. */
const seeds = options.seeds.split(',').map(Number)
const rates: Readonly<
  Record<Exclude<NetworkName, 'sigmoids'>, readonly [sgd: number, momentum: number, adam: number]>
> = {
  logreg: [0.1, 0.05, 0.003],
  mlp: [0.1, 0.03, 0.003],
  conv: [0.1, 0.02, 0.003],
  deep: [0.05, 0.01, 0.001],
  transformer: [0.1, 0.03, 0.003],
}
const optimizers = ['sgd', 'momentum', 'adam'] as const
const names = Object.keys(rates) as (keyof typeof rates)[]

const data = new Map<DataName, Dataset>()
for (const name of present) data.set(name, await images(name, 2000))
const mnist = data.get('mnist')!

/** What is said at the end of every 25 steps. */
function findingsOf(run: Run): readonly { readonly step: number; readonly findings: readonly Finding[] }[] {
  return Array.from({ length: steps / 25 }, (_, i) => {
    const step = 25 * (i + 1)
    return { step, findings: diagnose({ ...run, steps: run.steps.slice(0, step) }) }
  })
}

const isAlarm = ({ severity }: Finding): boolean => severity !== 'note'

async function healthy(): Promise<void> {
  let [runs, alarmed, asked] = [0, 0, 0]
  const alarms = new Map<string, number>()
  const notes = new Map<string, number>()
  for (const network of names)
    for (const [which, set] of data)
      for (const [i, optimizer] of optimizers.entries())
        for (const seed of seeds) {
          const run = await runOf({
            network,
            data: set,
            seed,
            optimizer,
            learningRate: rates[network][i]!,
            steps,
          })
          const all = findingsOf(run)
          const bad = all.filter(({ findings }) => findings.some(isAlarm))
          runs++
          asked += all.length
          if (bad.length > 0) {
            alarmed++
            for (const { step, findings } of bad)
              console.log(
                `  false alarm: ${network} ${which} ${optimizer} seed ${seed} step ${step}: ${findings.filter(isAlarm)[0]!.sentence}`,
              )
          }
          for (const { findings } of all)
            for (const each of findings) {
              const counts = isAlarm(each) ? alarms : notes
              counts.set(each.rule, (counts.get(each.rule) ?? 0) + 1)
            }
        }
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([rule, count]) => `${rule} ${count}`).join(', ') || 'none'
  console.log(
    `healthy: ${alarmed} of ${runs} runs with a warning; ${asked} diagnoses, warnings: ${list(alarms)}; notes: ${list(notes)}`,
  )
}

interface Fault {
  readonly name: string
  /** Any of these names it. */
  readonly rules: readonly string[]
  readonly training: (network: keyof typeof rates, i: number, seed: number) => Partial<Training> | undefined
}

const scaled =
  (factor: number, only: readonly string[] = names): Fault['training'] =>
  (network, i) =>
    only.includes(network) ? { learningRate: rates[network][i]! * factor } : undefined

/** Units that no input brings above zero. */
const kill: Training['spoil'] = ({ parameters }) => {
  const bias = parameters.get('3.bias')
  bias.set(new Float32Array(bias.shape[0]!).fill(-1000))
}

const faults: readonly Fault[] = [
  {
    name: 'rate 100 times too small',
    rules: ['learning-rate-too-small', 'steps-too-short'],
    training: scaled(0.01),
  },
  {
    name: 'rate 30 times too small',
    rules: ['learning-rate-too-small', 'steps-too-short'],
    training: scaled(1 / 30),
  },
  {
    name: 'rate too large (×1000)',
    rules: ['diverged', 'steps-overshoot', 'dead-layer', 'exploding-gradients'],
    training: scaled(1000),
  },
  {
    name: 'raw pixels',
    rules: ['badly-scaled-inputs'],
    training: (network, i) => ({ data: rawPixels(mnist), learningRate: rates[network][i]! / 100 }),
  },
  {
    name: 'six layers of sigmoids',
    rules: ['vanishing-gradients'],
    training: (network) => (network === 'deep' ? { network: 'sigmoids' } : undefined),
  },
  {
    name: 'a dead layer',
    rules: ['dead-layer'],
    training: (network) => (network === 'mlp' || network === 'deep' ? { spoil: kill } : undefined),
  },
  {
    name: 'batches of 2, rate ×5',
    rules: ['batch-too-noisy', 'steps-overshoot', 'diverged', 'dead-layer'],
    training: (network, i) => ({ batchSize: 2, learningRate: rates[network][i]! * 5 }),
  },
]

async function planted(): Promise<void> {
  for (const { name, rules, training } of faults) {
    let [runs, hits, first] = [0, 0, 0]
    const missed: string[] = []
    for (const network of names)
      for (const [i, optimizer] of optimizers.entries()) {
        const own = training(network, i, seeds[0]!)
        if (own === undefined) continue
        const run = await runOf({
          network,
          data: mnist,
          seed: seeds[0]!,
          optimizer,
          learningRate: rates[network][i]!,
          steps,
          ...own,
        })
        const hit = findingsOf(run).find(({ findings }) =>
          findings.some((each) => isAlarm(each) && rules.includes(each.rule)),
        )
        runs++
        if (hit === undefined) missed.push(`${network} ${optimizer}`)
        else {
          hits++
          first += hit.step
        }
      }
    console.log(
      `${name}: named in ${hits} of ${runs}, first at step ${Math.round(first / hits)} on average${missed.length === 0 ? '' : `; not in ${missed.join(', ')}`}`,
    )
  }
}

async function labels(): Promise<void> {
  for (const part of [0.1, 0.2]) {
    let [runs, hits, named, right, most] = [0, 0, 0, 0, 0]
    const missed: string[] = []
    const shares: number[] = []
    for (const network of ['logreg', 'mlp', 'conv'] as const)
      for (const [which, set] of data)
        for (const [i, optimizer] of optimizers.entries()) {
          const { data: spoilt, wrong } = wrongLabels(set, part, seeds[0]!)
          const run = await runOf({
            network,
            data: spoilt,
            seed: seeds[0]!,
            optimizer,
            learningRate: rates[network][i]!,
            steps,
          })
          const all = findingsOf(run).map(({ findings }) =>
            findings.find(({ rule }) => rule === 'wrong-labels'),
          )
          const last = all.findLast((each) => each !== undefined)
          runs++
          if (last === undefined) {
            missed.push(`${network} ${which} ${optimizer}`)
            continue
          }
          hits++
          named += last.samples!.length
          right += last.samples!.filter((index) => wrong.has(index)).length
          most += last.samples!.slice(0, 5).filter((index) => wrong.has(index)).length
          shares.push(last.evidence[1]!.value)
        }
    console.log(
      `${100 * part} % wrong labels: named in ${hits} of ${runs}; told ${(100 * Math.min(...shares)).toFixed(0)} to ${(100 * Math.max(...shares)).toFixed(0)} %; of ${named} samples named, ${right} wrong (${((100 * right) / named).toFixed(0)} %), of the first five ${((100 * most) / (5 * hits)).toFixed(0)} %${missed.length === 0 ? '' : `; not in ${missed.join(', ')}`}`,
    )
  }
}

console.log(`${steps} steps, batches of 64 of 2000 images, data: ${[...data.keys()].join(', ')}`)
for (const part of [labels, planted, healthy])
  if (positionals.length === 0 || positionals.includes(part.name)) await part()
