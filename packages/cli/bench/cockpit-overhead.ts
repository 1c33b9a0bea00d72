/**
 * @file What instruments cost: time of a tracked step as a ratio to plain training, for each configuration, for business with the Monte-Carlo
 * curvature, and for each instrument alone; tracked at every step, and every tenth. Run with `npm run cockpit-bench -- [problem …] [--configurations | --instruments]`.
 *
 * CPU time of the process on one thread, so that what else runs on the machine counts little.
 */
import { crossEntropy, type Module } from '@beyondgrad/autograd'
import {
  business,
  type CockpitOptions,
  economy,
  full,
  type Instrument,
  openCockpit,
} from '@beyondgrad/cockpit'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { SGD, trainStep } from '@beyondgrad/nn'
import { fillRandom, releaseExecutables, tensor } from '@beyondgrad/tensor'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { problems } from '../src/bench/problems.ts'

const seed = 0
const samples = 128

/** Problems of which the Python library's prices are known, and whether a step takes less than a millisecond. */
const measured = { logreg: true, mlp: true, '2c2d': false, '3c3d': false }

type Problem = keyof typeof measured

/** A training, tracked or not, of which some steps can be run. */
interface Training {
  /** Milliseconds of CPU time of a step, a mean over some. */
  steps(): Promise<number>
  end(): Promise<void>
}

async function trainingOf(
  problem: Problem,
  options: CockpitOptions | undefined,
  together: number,
): Promise<Training> {
  const chosen = problems[problem]
  const { input } = chosen
  const model = chosen.model() as Module
  const data = new Float32Array(samples * input.reduce((a, b) => a * b, 1))
  fillRandom({ distribution: 'uniform', seed, stream: 'bench' }, 0, 1, 1, data.length, data)
  const inputs = tensor(data, { shape: [samples, ...input], dtype: 'float32' })
  const targets = tensor(
    Int32Array.from({ length: samples }, (_, n) => (7 * n) % 10),
    { shape: [samples], dtype: 'int32' },
  )
  const folder = mkdtempSync(join(tmpdir(), 'overhead-'))
  const cockpit = options && (await openCockpit({ ...options, log: join(folder, 'run') }))
  const engine = onnxruntime({ threads: 1 })
  const train = trainStep({
    model,
    loss: crossEntropy,
    optimizer: SGD(model.parameters, { learningRate: 0.01 }),
    engine,
    ...(cockpit && { observers: [cockpit] }),
  })
  const steps = async (): Promise<number> => {
    const before = process.cpuUsage()
    for (let i = 0; i < together; i++) await train({ inputs, targets })
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000 / together
  }
  const warm = performance.now() + 300
  for (let i = 0; i < 2 + 2 / together || performance.now() < warm; i++) await steps()
  return {
    steps,
    end: async () => {
      await cockpit?.close()
      rmSync(folder, { recursive: true })
      await releaseExecutables(engine)
    },
  }
}

const median = (of: readonly number[]): number => [...of].sort((a, b) => a - b)[Math.floor(of.length / 2)]!

/** Medians of a tracked training and of a plain one that takes turns with it, so that what else the machine does meets both. */
async function timesOf(
  problem: Problem,
  options: CockpitOptions,
): Promise<{ plain: number; tracked: number }> {
  // So many that caches are those of a training, and a multiple of what every tenth needs.
  const together = measured[problem] ? 20 : options.every === undefined ? 1 : 10
  const plain = await trainingOf(problem, undefined, together)
  const tracked = await trainingOf(problem, options, together)
  const times: { readonly plain: number[]; readonly tracked: number[] } = { plain: [], tracked: [] }
  const begin = performance.now()
  const elapsed = (): number => performance.now() - begin
  while (elapsed() < 2000 || (times.plain.length < 5 && elapsed() < 20_000)) {
    times.plain.push(await plain.steps())
    times.tracked.push(await tracked.steps())
  }
  await plain.end()
  await tracked.end()
  return { plain: median(times.plain), tracked: median(times.tracked) }
}

const configurations: Readonly<Record<string, readonly Instrument[]>> = {
  economy: economy(),
  'business, MC': business({ curvature: 'diag-ggn-mc' }),
  'business, exact': business(),
  full: full(),
}

const chosen = process.argv.slice(2).filter((word): word is Problem => word in measured)
const alone = !process.argv.includes('--configurations')
const together = !process.argv.includes('--instruments')
for (const problem of chosen.length > 0 ? chosen : (Object.keys(measured) as Problem[])) {
  console.log(`${problem}, ${samples} samples, one thread, CPU time of a step: plain, tracked, ratio`)
  const row = async (name: string, options: CockpitOptions): Promise<void> => {
    const { plain, tracked } = await timesOf(problem, options)
    const [a, b] = [plain, tracked].map((time) => `${time.toFixed(3).padStart(9)} ms`)
    console.log(`  ${name.padEnd(26)} ${a} ${b} ${(tracked / plain).toFixed(2).padStart(6)}`)
  }
  for (const [name, instruments] of together ? Object.entries(configurations) : []) {
    await row(name, { instruments })
    await row(`${name}, every 10`, { instruments, every: 10 })
  }
  if (alone) for (const instrument of full()) await row(instrument.name, { instruments: [instrument] })
}
