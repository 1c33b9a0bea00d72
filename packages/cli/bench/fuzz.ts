/**
 * @file Made-up calls of every op: each must be refused with a documented error, or give a result of the stated shape on every
 * engine. They run in a process of their own, which is watched for crashes, for hanging and for its memory.
 * `npm run fuzz [-- calls [seed]]`
 */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { tfjs } from '@beyondgrad/engine-tfjs'
import { referenceEngine, releaseExecutables } from '@beyondgrad/tensor'
import '@tensorflow/tfjs-backend-cpu'
import fc from 'fast-check'
import { fork } from 'node:child_process'
import { callsOf, printed } from '../test/fuzz/calls.ts'
import { type Outcome, outcomeOf } from '../test/fuzz/outcome.ts'
import { signatures } from '../test/fuzz/signatures.ts'

const [wanted = 10_000, seed = 1] = process.argv.slice(2).map(Number)
const longest = 20_000
const mostMegabytes = 2048

/** What the watched process says: which call it is about to make, then what became of it. */
type Message = { readonly at: number; readonly outcome?: Outcome; readonly megabytes?: number }

const names = Object.keys(signatures)
const perOp = Math.ceil(wanted / names.length)
const calls = names.flatMap((op) => fc.sample(callsOf(op), { numRuns: perOp, seed }))

if (process.send === undefined) await watch()
else await work(Number(process.env.FUZZ_FROM))

async function work(from: number): Promise<void> {
  const engines = [
    referenceEngine({ warn: () => undefined }),
    onnxruntime({ capacity: 4, threads: 1 }),
    tfjs({ backend: 'cpu' }),
  ]
  const tell = (message: Message): Promise<void> =>
    new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()))
  for (let at = from; at < calls.length; at++) {
    await tell({ at })
    const outcome = await outcomeOf(calls[at]!, engines)
    await tell({ at, outcome, megabytes: process.memoryUsage().rss / 2 ** 20 })
  }
  for (const engine of engines) await releaseExecutables(engine)
  process.disconnect()
}

async function watch(): Promise<void> {
  const counts = new Map<string, number>()
  const wrong: string[] = []
  let [from, peak] = [0, 0]
  const settle = ({ kind, wrong: what }: Outcome): void => {
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    if (what !== undefined) wrong.push(what)
  }
  while (from < calls.length) {
    from = await new Promise<number>((resolve) => {
      const child = fork(process.argv[1]!, process.argv.slice(2), {
        env: { ...process.env, FUZZ_FROM: String(from) },
        execArgv: [...process.execArgv, '--max-old-space-size=1024'],
      })
      let current = from
      let reason: string | undefined
      const stop = (why: string): void => {
        reason = why
        child.kill('SIGKILL')
      }
      let timer: NodeJS.Timeout | undefined
      child.on('message', ({ at, outcome, megabytes = 0 }: Message) => {
        clearTimeout(timer)
        timer = setTimeout(() => stop(`took longer than ${longest / 1000} s`), longest)
        current = at
        if (outcome === undefined) return
        settle(outcome)
        peak = Math.max(peak, megabytes)
        current = at + 1
        if (megabytes > mostMegabytes) stop(`left ${megabytes.toFixed(0)} MB in use`)
      })
      child.on('exit', (code, signal) => {
        clearTimeout(timer)
        if (code === 0 && current === calls.length) return resolve(current)
        const call = calls[Math.min(current, calls.length - 1)]!
        settle({
          kind: 'process ended',
          wrong: `${printed(call)}: ${reason ?? `the process ended with ${signal ?? code}`}`,
        })
        resolve(current + 1)
      })
    })
  }
  console.log(
    `${calls.length} calls of ${names.length} ops, seed ${seed}; at most ${peak.toFixed(0)} MB in use`,
  )
  for (const [kind, count] of [...counts].sort((a, b) => b[1] - a[1]))
    console.log(`${String(count).padStart(7)}  ${kind}`)
  for (const what of wrong) console.log(what)
  if (wrong.length > 0) process.exitCode = 1
}
