/**
 * @file Trains a small convolutional net on handwritten digits, then looks beyond its gradient: per-sample variance,
 * the diagonals of Gauss-Newton matrix and Hessian, the samples that pull hardest – and what each of them costs.
 */
import { backward } from '@beyondgrad/autograd'
import { BatchL2, DiagGGN, DiagHessian, Gradient, quantities, Variance } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import {
  batches,
  Conv2d,
  CrossEntropyLoss,
  type Dataset,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  rows,
  Sequential,
  SGD,
  trainStep,
} from '@beyondgrad/nn'
import { argmax, compile, setEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import { digitPicture, sideBySide } from './digit-picture.ts'
import { mnist } from './mnist.ts'

const trainingDigits = 24_000
const batchSize = 64
const wantedAccuracy = 0.97

setEngine(onnxruntime())
const started = performance.now()
const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1)} s`

const [train, test] = await Promise.all([mnist('train'), mnist('t10k')])
const model = Sequential(
  Conv2d(1, 16, 5, { seed: 1 }),
  ReLU(),
  MaxPool2d(2),
  Conv2d(16, 32, 5, { seed: 2 }),
  ReLU(),
  MaxPool2d(2),
  Flatten(),
  Linear(512, 128, { seed: 3 }),
  ReLU(),
  Linear(128, 10, { seed: 4 }),
)
const loss = CrossEntropyLoss()
const names = model.parameters.names

console.log(
  `Training on ${trainingDigits} of MNIST's ${train.inputs.shape[0]} digits, ${batchSize} at a time.`,
)
await trainOn(train)

const accuracy = await accuracyOn(test)
console.log(
  `Test accuracy on ${test.inputs.shape[0]} other digits: ${(accuracy * 100).toFixed(2)} %  (${seconds()})\n`,
)

const batch = {
  inputs: tensor(rows(test.inputs, range(128))),
  targets: tensor(rows(test.targets, range(128))),
}
await showQuantities()
await showInfluential()
await showCosts()
console.log(`\nDone in ${seconds()}. To watch and sabotage a training in a browser: npm run page`)

if (accuracy < wantedAccuracy) {
  console.error(`The accuracy is below ${wantedAccuracy * 100} %: something is wrong.`)
  process.exitCode = 1
}

async function trainOn(data: Dataset): Promise<void> {
  const optimizer = SGD(model.parameters, { learningRate: 0.05, momentum: 0.9 })
  const step = trainStep({ model, loss, optimizer })
  const steps = Math.ceil(trainingDigits / batchSize)
  const bar = new SingleBar({ format: '{bar} {value}/{total} steps  loss {loss}', hideCursor: true })
  const show = process.stderr.isTTY
  if (show) bar.start(steps, 0, { loss: '–' })
  let average = Math.log(10)
  for await (const next of batches(data, { size: batchSize, seed: 1, steps })) {
    const result = await step(next)
    average += 0.05 * (result.loss - average)
    if (result.step === Math.floor(steps * 0.8)) optimizer.learningRate /= 5
    if (show) bar.update(result.step + 1, { loss: average.toFixed(3) })
    else if ((result.step + 1) % 75 === 0)
      console.log(`  step ${result.step + 1}/${steps}  loss ${average.toFixed(3)}`)
  }
  bar.stop()
}

async function accuracyOn(data: Dataset): Promise<number> {
  const predict = compile((x: Tensor) => ({ classes: argmax(model(x), 1) }))
  let right = 0
  for await (const { inputs, targets } of batches(data, { size: 500, shuffle: false })) {
    const { classes } = await predict(inputs)
    const truth = (await targets.read()).data
    classes.data.forEach((predicted, i) => (right += predicted === truth[i] ? 1 : 0))
  }
  return right / data.inputs.shape[0]!
}

/** All quantities of one batch come from one execution. */
async function showQuantities(): Promise<void> {
  const look = compile((x: Tensor, y: Tensor<'int32'>) =>
    backward(loss(model(x), y), {
      gradient: Gradient(),
      variance: Variance(),
      diagGGN: DiagGGN(),
      diagHessian: DiagHessian(),
    }),
  )
  const { gradient, variance, diagGGN, diagHessian } = await look(batch.inputs, batch.targets)
  const table = tableOf(['parameter', 'shape', '‖gradient‖', '‖variance‖', '‖diag GGN‖', '‖diag Hessian‖'], 2)
  for (const name of names) {
    const numbers = [gradient, variance, diagGGN, diagHessian].map((map) =>
      norm(map.get(name).data).toExponential(2),
    )
    table.push([name, gradient.get(name).shape.join(' × '), ...numbers])
  }
  console.log(
    `What the trained net's loss looks like around its parameters (${batch.inputs.shape[0]} test digits):`,
  )
  console.log(table.toString())
  console.log(
    'With ReLU the net is piecewise linear: there the Hessian is the Gauss-Newton matrix, as it must be.',
  )
}

async function showInfluential(): Promise<void> {
  const look = compile((x: Tensor, y: Tensor<'int32'>) => ({
    ...backward(loss(model(x), y), { l2: BatchL2() }),
    classes: argmax(model(x), 1),
  }))
  const { l2, classes } = await look(batch.inputs, batch.targets)
  const squares = new Float64Array(batch.inputs.shape[0]!)
  for (const [, { data }] of l2) data.forEach((square, i) => (squares[i]! += square))
  const strongest = [...squares.keys()].sort((a, b) => squares[b]! - squares[a]!).slice(0, 3)
  const truth = (await batch.targets.read()).data
  const pictures = strongest.map((sample) => {
    const { data } = rows(test.inputs, [sample])
    const caption = `a ${truth[sample]}, taken for a ${classes.data[sample]}: ‖g‖ ${Math.sqrt(squares[sample]!).toExponential(1)}`
    return { caption, lines: digitPicture(data) }
  })
  console.log('\nThe three digits that pull hardest on the parameters:\n')
  console.log(sideBySide(pictures))
}

/** What each quantity costs beside the gradient, each in an execution of its own, and all of them in one. */
async function showCosts(): Promise<void> {
  const table = tableOf(['quantity', 'time', 'ratio to the gradient'], 1)
  // Those whose results are about as large as the parameters: what is written out for every digit costs what writing costs.
  const names = [
    'gradient',
    'batch-l2',
    'sum-grad-squared',
    'variance',
    'diag-ggn-mc',
    'diag-ggn',
    'diag-hessian',
    'kfac',
  ] as const
  const kinds = names.map((name) => [name, quantities[name]] as const)
  let gradientTime = 0
  for (const [name, extensions] of [
    ...kinds.map(([name, factory]) => [name, { [name]: factory() }] as const),
    ['all of these at once', Object.fromEntries(kinds.map(([name, factory]) => [name, factory()]))] as const,
  ]) {
    const time = await median(
      compile((x: Tensor, y: Tensor<'int32'>) => backward(loss(model(x), y), extensions)),
    )
    gradientTime ||= time
    table.push([name, `${time.toFixed(2)} ms`, (time / gradientTime).toFixed(2)])
  }
  console.log(`\nWhat they cost (batch of ${batch.inputs.shape[0]}, median of 9 runs after 2 to warm up):`)
  console.log(table.toString())
}

async function median(run: (x: Tensor, y: Tensor<'int32'>) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 11; i++) {
    const before = performance.now()
    await run(batch.inputs, batch.targets)
    if (i >= 2) times.push(performance.now() - before)
  }
  return times.sort((a, b) => a - b)[4]!
}

function tableOf(head: string[], textColumns: number): Table.Table {
  const colAligns = head.map((_, i) => (i < textColumns ? ('left' as const) : ('right' as const)))
  return new Table({ head, colAligns, style: { head: [], border: [], compact: true } })
}

function norm(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! ** 2
  return Math.sqrt(sum)
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
