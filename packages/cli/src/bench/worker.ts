/** @file The process that measures: one request, one report. Each quantity gets a process, so that memory is its own. */
import { backward, crossEntropy, type Extension, type Module } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  compile,
  type Engine,
  fillRandom,
  isNamedMap,
  isTensor,
  referenceEngine,
  sizeOf,
  tensor,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { availableParallelism } from 'node:os'
import { knownQuantities, loadPlugins, type QuantityFactories } from '../plugins.ts'
import { type Answer, type Measurement, type MeasurementRequest, quantile } from './measurement.ts'
import { isProblem, type Problem, problems } from './problems.ts'

const mebibyte = 2 ** 20
const leastRuns = 5

/** Answers one request of the parent process and ends. */
export async function serveMeasurements(): Promise<void> {
  const request = JSON.parse(process.env.BEYONDGRAD_BENCH_WORKER!) as MeasurementRequest
  try {
    send({ measurement: await measure(request) })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const cannot = error instanceof BeyondgradError && ['unsupported', 'mixed-samples'].includes(error.code)
    send(cannot ? { refused: message } : { error: message })
  }
  process.disconnect()
}

const send = (answer: Answer): void => void process.send!(answer)

async function engineNamed(name: string, threads: number | undefined): Promise<Engine> {
  if (name === 'reference') return referenceEngine({ warn: () => undefined })
  const { onnxruntime } = await import('@beyondgrad/engine-onnxruntime')
  return onnxruntime(threads === undefined ? {} : { threads })
}

/** Random inputs and labels, the same every time. */
export function dataFor(problem: Problem, batch: number): readonly [AnyTensor, Tensor<'int32'>] {
  const shape = [batch, ...problem.input]
  const inputs = new Float32Array(sizeOf(shape))
  fillRandom({ distribution: 'uniform', seed: 0, stream: 'inputs' }, 0, 1, 1, inputs.length, inputs)
  const draws = new Float32Array(batch)
  fillRandom({ distribution: 'uniform', seed: 0, stream: 'labels' }, 0, 1, 1, batch, draws)
  const labels = Int32Array.from(draws, (u) => Math.floor(u * problem.classes))
  const { vocabulary } = problem
  const x: AnyTensor =
    vocabulary === undefined
      ? tensor(inputs, { shape, dtype: 'float32' })
      : tensor(
          Int32Array.from(inputs, (u) => Math.floor(u * vocabulary)),
          { shape, dtype: 'int32' },
        )
  return [x, tensor(labels, { shape: [batch], dtype: 'int32' })]
}

/** Takes what `dataFor` makes for it. */
export type Network = Module<readonly [AnyTensor]>

interface Step {
  readonly loss: Tensor
  readonly results: object
}

/** What is measured. */
interface Setting {
  readonly model: Network
  readonly request: MeasurementRequest
  readonly known: QuantityFactories
}

/** Loss and quantities as one expression. */
function expression({ model, request, known }: Setting, x: AnyTensor, y: Tensor<'int32'>): Step {
  const loss = crossEntropy(model(x), y)
  const extensions: Record<string, Extension<unknown>> = {}
  for (const name of request.quantities) extensions[name] = known[name]!()
  const options = request.memory === undefined ? {} : { memory: request.memory * mebibyte }
  return { loss, results: backward(loss, extensions, options) }
}

async function measure(request: MeasurementRequest): Promise<Measurement> {
  if (!isProblem(request.problem)) throw new Error(`there is no problem "${request.problem}"`)
  const problem: Problem = problems[request.problem]
  const engine = await engineNamed(request.engine, request.threads)
  const model = problem.model() as Network
  const [x, y] = dataFor(problem, request.batch)
  const setting: Setting = { model, request, known: knownQuantities(await loadPlugins(request.plugins)) }
  const { build, nodes } = timeBuilding(setting, x, y)
  const run = compile((a: AnyTensor, b: Tensor<'int32'>) => expression(setting, a, b), { engine })
  const started = performance.now()
  await run(x, y)
  const first = performance.now() - started
  const firstPeak = peak()
  const times: number[] = []
  const until = performance.now() + request.seconds * 1000
  while (times.length < leastRuns || performance.now() < until) {
    const before = performance.now()
    await run(x, y)
    times.push(performance.now() - before)
  }
  // The first runs still touch fresh memory.
  const sorted = times.slice(Math.min(3, times.length - leastRuns)).sort((a, b) => a - b)
  return {
    median_ms: quantile(sorted, 0.5),
    q1_ms: quantile(sorted, 0.25),
    q3_ms: quantile(sorted, 0.75),
    runs: sorted.length,
    first_peak_mb: firstPeak,
    peak_mb: peak(),
    resident_mb: process.memoryUsage().rss / mebibyte,
    first_ms: first,
    build_us_per_node: (build / nodes) * 1000,
    nodes,
    threads: request.threads ?? availableParallelism(),
  }
}

const peak = (): number => process.resourceUsage().maxRSS / 1024

/** Building alone, warmed up: what a step costs that is not compiled. */
function timeBuilding(
  setting: Setting,
  x: AnyTensor,
  y: Tensor<'int32'>,
): { readonly build: number; readonly nodes: number } {
  const times: number[] = []
  let last: Step | undefined
  const until = performance.now() + 400
  while (times.length < 12 || (performance.now() < until && times.length < 300)) {
    const before = performance.now()
    last = expression(setting, x, y)
    times.push(performance.now() - before)
  }
  const outputs = tensorsIn(last!.results)
  // The second half: by then the compiler has seen the code often enough.
  const sorted = times.slice(times.length >> 1).sort((a, b) => a - b)
  return { build: quantile(sorted, 0.5), nodes: topologicalOrder([last!.loss, ...outputs]).length }
}

/** Whatever tensors a result is made of: one for each parameter, several by name as Kronecker factors are, or one in all. */
function tensorsIn(value: unknown): AnyTensor[] {
  if (isTensor(value)) return [value]
  if (typeof value !== 'object' || value === null) return []
  const parts = isNamedMap(value) ? [...value].map(([, part]) => part) : Object.values(value)
  return parts.flatMap(tensorsIn)
}
