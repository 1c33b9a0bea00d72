/**
 * @file Many evaluations of many graphs in turn: memory, threads and the cache must stay where they are. Linux only, since
 * it reads /proc. `npm run soak [-- evaluations [graphs]]`
 */
import { type Engine, evaluate, releaseExecutables, tanh, tensor, type Tensor } from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'
import { engineOn } from '../src/engine.ts'
import { nodeRuntime } from '../src/node-runtime.ts'
import type { Runtime } from '../src/runtime.ts'

const [evaluations = 10_000, graphs = 50] = process.argv.slice(2).map(Number)
const capacity = 24

let [open, most, created] = [0, 0, 0]

/** The native runtime, counting its sessions. */
async function counting(): Promise<Runtime> {
  const runtime = await nodeRuntime()
  return {
    ...runtime,
    createSession: async (bytes, options) => {
      const session = await runtime.createSession(bytes, options)
      created++
      most = Math.max(most, ++open)
      return {
        ...session,
        release: async () => {
          await session.release()
          open--
        },
      }
    },
  }
}

/** A small network of its own width, its loss and its gradient by hand: one graph for each `k`. */
function network(k: number): { readonly x: Tensor; readonly y: Tensor } {
  const [rows, width] = [32, 16 + k]
  const fill = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(i + k))
  const x = tensor(fill(rows * width), { shape: [rows, width], dtype: 'float32' })
  const w = tensor(fill(width * 64), { shape: [width, 64], dtype: 'float32' })
  const h = tanh(x.matmul(w))
  const slope = h.square().neg().add(1).mul(h)
  return { x: h.square().sum(), y: x.transpose().matmul(slope) }
}

const status = (key: string): number =>
  Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))![1])

const row = (cells: readonly (string | number)[]): void =>
  console.log(cells.map((each) => String(each).padStart(12)).join(''))

const engine: Engine = engineOn(counting, { capacity })
row(['evaluations', 'RSS MB', 'threads', 'sessions', 'created'])
const started = performance.now()
for (let i = 0; i < evaluations; i++) {
  // Nine of ten stay with half of the cache; the tenth walks through all graphs.
  const k = i % 10 === 0 ? (i / 10) % graphs : i % (capacity / 2)
  const { x, y } = await evaluate(network(k), { engine })
  if (!Number.isFinite(x.data[0]) || y.data.length !== 64 * (16 + k)) throw new Error(`graph ${k} is wrong`)
  if ((i + 1) % (evaluations / 10) === 0 || i === graphs * 2) {
    row([i + 1, Math.round(status('VmRSS') / 1024), status('Threads'), open, created])
  }
}
await releaseExecutables(engine)
row(['released', Math.round(status('VmRSS') / 1024), status('Threads'), open, created])
console.log(
  `at most ${most} sessions at a time for a capacity of ${capacity}; ${((performance.now() - started) / evaluations).toFixed(2)} ms an evaluation`,
)
