/**
 * @file What a compiled gradient step costs beyond the run of its model: the same ONNX model, in a session with the same options,
 * is run by onnxruntime-node alone in turn. `npm run bare [-- problem [batch [seconds]]]`
 */
import { backward, crossEntropy } from '@beyondgrad/autograd'
import { Gradient } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { type AnyTensor, compile, type Tensor } from '@beyondgrad/tensor'
import ort, { type InferenceSession } from 'onnxruntime-node'
import { quantile } from '../src/bench/measurement.ts'
import { isProblem, problems } from '../src/bench/problems.ts'
import { dataFor, type Network } from '../src/bench/worker.ts'

const [name = 'mlp', batch = '128', seconds = '4'] = process.argv.slice(2)
if (!isProblem(name)) throw new Error(`there is no problem "${name}"`)

/** What the engine made its session of, and fed it. */
interface Seen {
  readonly bytes: Uint8Array
  readonly options: InferenceSession.SessionOptions
  feeds?: InferenceSession.FeedsType
}

let seen: Seen | undefined
const create = ort.InferenceSession.create.bind(ort.InferenceSession) as (
  bytes: Uint8Array,
  options: InferenceSession.SessionOptions,
) => Promise<InferenceSession>
Object.assign(ort.InferenceSession, {
  create: async (bytes: Uint8Array, options: InferenceSession.SessionOptions) => {
    const session = await create(bytes, options)
    const watched = (seen = { bytes, options } as Seen)
    const run = session.run.bind(session)
    session.run = (feeds: InferenceSession.FeedsType) => {
      watched.feeds = feeds
      return run(feeds)
    }
    return session
  },
})

const problem = problems[name]
const model = problem.model() as Network
const [x, y] = dataFor(problem, Number(batch))
const step = compile(
  (a: AnyTensor, b: Tensor<'int32'>) => {
    const loss = crossEntropy(model(a), b)
    return { loss, gradient: backward(loss, { gradient: Gradient() }) }
  },
  { engine: onnxruntime() },
)
await step(x, y)
const { bytes, options, feeds } = seen!
const bare = await create(bytes, options)

const [compiled, alone]: [number[], number[]] = [[], []]
const until = performance.now() + Number(seconds) * 1000
while (performance.now() < until) {
  // In turn, so that whatever else the machine does meets both.
  for (const [times, run] of [
    [compiled, () => step(x, y)],
    [alone, () => bare.run(feeds!)],
  ] as const) {
    const before = performance.now()
    await run()
    times.push(performance.now() - before)
  }
}
await bare.release()
const [ours, theirs] = [compiled, alone].map((times) => times.slice(5).sort((a, b) => a - b)) as [
  number[],
  number[],
]
const row = (what: string, times: readonly number[]): string =>
  `${what.padEnd(16)} median ${quantile(times, 0.5).toFixed(3)} ms, least ${times[0]!.toFixed(3)} ms`
console.log(`${name}, batch ${batch}, gradient, ${ours.length} runs`)
console.log(row('compiled step', ours))
console.log(row('bare session.run', theirs))
console.log(`ratio of medians ${(quantile(ours, 0.5) / quantile(theirs, 0.5)).toFixed(3)}`)
