/**
 * @file What instruments cost: time of a tracked step as a ratio to plain training, for each configuration, for business with the Monte-Carlo
 * curvature, and for each instrument alone; tracked at every step, and every tenth. Run with `npm run cockpit-bench -- [problem …]`.
 *
 * CPU time of the process on one thread, so that what else runs on the machine counts little.
 */
import { crossEntropy } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, SGD, trainStep } from '@beyondgrad/nn'
import { fillRandom, releaseExecutables, tensor } from '@beyondgrad/tensor'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { business, type CockpitOptions, economy, full, type Instrument, openCockpit } from '../src/index.ts'

const seed = 0
const samples = 128

const problems = {
  logreg: { input: [784], model: () => Sequential(Linear(784, 10, { seed })) },
  mlp: {
    input: [784],
    model: () =>
      Sequential(
        Linear(784, 128, { seed }),
        ReLU(),
        Linear(128, 64, { seed }),
        ReLU(),
        Linear(64, 10, { seed }),
      ),
  },
  '2c2d': {
    input: [1, 28, 28],
    model: () =>
      Sequential(
        Conv2d(1, 32, 5, { padding: 2, seed }),
        ReLU(),
        MaxPool2d(2),
        Conv2d(32, 64, 5, { padding: 2, seed }),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Linear(3136, 1024, { seed }),
        ReLU(),
        Linear(1024, 10, { seed }),
      ),
  },
  '3c3d': {
    input: [3, 32, 32],
    model: () =>
      Sequential(
        Conv2d(3, 64, 5, { seed }),
        ReLU(),
        halvingPool(),
        Conv2d(64, 96, 3, { seed }),
        ReLU(),
        halvingPool(),
        Conv2d(96, 128, 3, { padding: 1, seed }),
        ReLU(),
        halvingPool(),
        Flatten(),
        Linear(1152, 512, { seed }),
        ReLU(),
        Linear(512, 256, { seed }),
        ReLU(),
        Linear(256, 10, { seed }),
      ),
  },
}

type Problem = keyof typeof problems

function halvingPool(): ReturnType<typeof MaxPool2d> {
  return MaxPool2d(3, {
    stride: 2,
    padding: [
      [0, 1],
      [0, 1],
    ],
  })
}

/** Milliseconds of CPU time of a step: the median of `steps` after warming up, means of ten where every tenth is tracked. */
async function timeOf(problem: Problem, options: CockpitOptions | undefined): Promise<number> {
  const { input, model: make } = problems[problem]
  const model = make()
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
  const together = options?.every === undefined ? 1 : 10
  for (let i = 0; i < 2 * together + 2; i++) await train({ inputs, targets })
  const times: number[] = []
  const until = performance.now() + 1500
  while (times.length < 5 || (performance.now() < until && times.length < 200)) {
    const before = process.cpuUsage()
    for (let i = 0; i < together; i++) await train({ inputs, targets })
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1000 / together)
    if (times.length >= 3 && performance.now() > until + 6000) break
  }
  await cockpit?.close()
  rmSync(folder, { recursive: true })
  await releaseExecutables(engine)
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length / 2)]!
}

const configurations: Readonly<Record<string, readonly Instrument[]>> = {
  economy: economy(),
  'business, MC': business({ curvature: 'diag-ggn-mc' }),
  'business, exact': business(),
  full: full(),
}

const chosen = process.argv.slice(2).filter((word): word is Problem => word in problems)
const alone = !process.argv.includes('--configurations')
for (const problem of chosen.length > 0 ? chosen : (Object.keys(problems) as Problem[])) {
  const plain = await timeOf(problem, undefined)
  console.log(
    `${problem}: plain training ${plain.toFixed(3)} ms a step, ${samples} samples, one thread, CPU time`,
  )
  const row = async (name: string, options: CockpitOptions): Promise<void> => {
    const time = await timeOf(problem, options)
    console.log(
      `  ${name.padEnd(30)} ${time.toFixed(3).padStart(9)} ms  ${(time / plain).toFixed(2).padStart(6)}`,
    )
  }
  for (const [name, instruments] of Object.entries(configurations)) {
    await row(name, { instruments })
    await row(`${name}, every 10`, { instruments, every: 10 })
  }
  if (alone) for (const instrument of full()) await row(instrument.name, { instruments: [instrument] })
}
