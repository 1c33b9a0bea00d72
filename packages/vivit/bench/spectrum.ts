/**
 * @file Seconds and peak memory for spectra of 3c3d (DeepOBS): exact, by one Monte-Carlo column and of an eighth of the samples; all
 * eigenvalues, the largest and the ten largest; through the Gram matrix, by Lanczos and by power iteration. Every case in a process of
 * its own, since memory is given back to nobody. `npm run vivit-bench [-- batch [only]]`, `only` being part of a case's name.
 */
import { crossEntropy } from '@beyondgrad/autograd'
import { GGNOperator } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential } from '@beyondgrad/nn'
import { fillRandom, intTensor, sizeOf, tensor, type Tensor } from '@beyondgrad/tensor'
import { spawnSync } from 'node:child_process'
import { ggnEigenpairs, ggnSpectrum, type Route, type SpectrumOptions } from '../src/index.ts'

const [, script, batchText = '128', only = '', inside = ''] = process.argv
const batch = Number(batchText)
const engine = onnxruntime()

const halvingPool = (): ReturnType<typeof MaxPool2d> =>
  MaxPool2d(3, {
    stride: 2,
    padding: [
      [0, 1],
      [0, 1],
    ],
  })

/** 3c3d on random images: 895,210 parameters. */
const model = Sequential(
  Conv2d(3, 64, 5, { seed: 0 }),
  ReLU(),
  halvingPool(),
  Conv2d(64, 96, 3, { seed: 0 }),
  ReLU(),
  halvingPool(),
  Conv2d(96, 128, 3, { padding: 1, seed: 0 }),
  ReLU(),
  halvingPool(),
  Flatten(),
  Linear(1152, 512, { seed: 0 }),
  ReLU(),
  Linear(512, 256, { seed: 0 }),
  ReLU(),
  Linear(256, 10, { seed: 0 }),
)

function images(): Tensor {
  const shape = [batch, 3, 32, 32]
  const values = new Float32Array(sizeOf(shape))
  fillRandom({ distribution: 'normal', seed: 3, stream: 'images' }, 0, 1, 1, values.length, values)
  return tensor(values, { shape, dtype: 'float32' })
}

const data = { x: images(), y: intTensor(Array.from({ length: batch }, (_, n) => (n * 7 + 1) % 10)) }
const loss = crossEntropy(model(data.x), data.y)

/** What came out: how many eigenvalues or products, and the largest one. */
interface Outcome {
  readonly count: string
  readonly largest: number
}

const ways: readonly { readonly name: string; readonly options: SpectrumOptions }[] = [
  { name: 'exact', options: {} },
  { name: 'MC-1', options: { columns: 1 } },
  {
    name: 'N/8',
    options: { curvatureSamples: Array.from({ length: Math.ceil(batch / 8) }, (_, n) => 8 * n) },
  },
]

async function all(options: SpectrumOptions): Promise<Outcome> {
  const { groups } = await ggnSpectrum(loss, { ...options, engine })
  const { eigenvalues } = groups[0]!
  return { count: `${eigenvalues.length} eigenvalues`, largest: eigenvalues.at(-1)! }
}

async function largest(top: number, options: SpectrumOptions, route?: Route): Promise<Outcome> {
  let products = 0
  const onProgress = (progress: { readonly products?: number }): void => {
    products = progress.products ?? products
  }
  const { groups } = await ggnEigenpairs(loss, {
    ...options,
    engine,
    criterion: { top },
    onProgress,
    ...(route && { route }),
  })
  const [group] = groups as [(typeof groups)[0]]
  const count = group.route === 'lanczos' ? `lanczos, > ${products} products` : group.route
  return { count, largest: group.values.at(-1)! }
}

/** Power iteration on products with the matrix, until the eigenvalue's residual is a thousandth of it. */
async function powerIteration(): Promise<Outcome> {
  const operator = await GGNOperator({
    loss: ({ x, y }: typeof data) => crossEntropy(model(x), y),
    data,
    engine,
  })
  let vector: Float64Array = new Float64Array(operator.shape[0])
  fillRandom({ distribution: 'normal', seed: 1, stream: 'power' }, 0, 1, 1, vector.length, vector)
  for (let products = 0; ; products++) {
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
    const unit = vector.map((x) => x / length)
    vector = await operator.matvec(unit)
    const value = vector.reduce((sum, x, i) => sum + x * unit[i]!, 0)
    const residual = Math.sqrt(vector.reduce((sum, x, i) => sum + (x - value * unit[i]!) ** 2, 0))
    if (residual < 1e-3 * value || products >= 500)
      return { count: `${products + 1} products`, largest: value }
  }
}

const cases = new Map<string, () => Promise<Outcome>>([
  ...ways.flatMap(({ name, options }) => [
    [`${name}, all eigenvalues`, () => all(options)] as const,
    [`${name}, top 1, planned`, () => largest(1, options)] as const,
    [`${name}, top 1, gram`, () => largest(1, options, 'gram')] as const,
    [`${name}, top 1, lanczos`, () => largest(1, options, 'lanczos')] as const,
    [`${name}, top 10, planned`, () => largest(10, options)] as const,
    [`${name}, top 10, gram`, () => largest(10, options, 'gram')] as const,
    [`${name}, top 10, lanczos`, () => largest(10, options, 'lanczos')] as const,
  ]),
  ['exact, top 1, power iteration', powerIteration],
])

const seconds = (from: number): string => ((performance.now() - from) / 1000).toFixed(2)

/** One case: the first run, which compiles, and the better one of two more. */
async function measure(name: string): Promise<void> {
  const run = cases.get(name)!
  const start = performance.now()
  const outcome = await run()
  const first = seconds(start)
  const rest: number[] = []
  // What takes minutes is not done three times.
  for (let i = 0; i < 2 && Number(first) < 60; i++) {
    const again = performance.now()
    await run()
    rest.push(Number(seconds(again)))
  }
  const steady = rest.length > 0 ? Math.min(...rest).toFixed(2) : '–'
  const peak = (process.resourceUsage().maxRSS / 1024).toFixed(0)
  console.log([name, first, steady, peak, outcome.count, outcome.largest.toPrecision(6)].join(' | '))
}

if (inside === 'inside') {
  await measure(only)
} else {
  console.log(`3c3d, N = ${batch} | first s | steady s | peak MB | what | largest eigenvalue`)
  for (const name of [...cases.keys()].filter((each) => each.includes(only))) {
    const args = [...process.execArgv, script!, String(batch), name, 'inside']
    // Huge pages, where glibc has them: first touches of fresh memory are dear on virtual machines.
    const env = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1', ...process.env }
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env })
    if (status !== 0) console.log(`${name} | failed with status ${status}`)
  }
}
