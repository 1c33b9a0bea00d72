/** @file The backends that run here: cpu and wasm in Node; in a browser those of the graphics card as well. */
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'
import type { Engine } from '@beyondgrad/tensor'
import { type BackendName, tfjs } from '../src/index.ts'

export interface TestedBackend {
  readonly name: BackendName
  readonly engine: Engine
  /** Whether a graphics card computes. Not all of NaN, infinity and integers is the same there: see the README. */
  readonly graphics: boolean
  /** Generated cases of a test that wants so many; a shader is compiled for nearly each, which takes its time. */
  readonly cases: (wanted: number) => number
}

const inBrowser = typeof document !== 'undefined'
const graphics = inBrowser ? await (await import('./graphics-backends.ts')).graphicsBackends() : []

/** All of them. */
export const backends: readonly TestedBackend[] = (['cpu', 'wasm', ...graphics] as const).map((name) => ({
  name,
  engine: tfjs({ backend: name }),
  graphics: name === 'webgl' || name === 'webgpu',
  cases: (wanted) => (name === 'webgl' ? Math.ceil(wanted / 16) : wanted),
}))

/** Those where integers have 32 bits, and where NaN and infinity are numbers like others. */
export const processors: readonly TestedBackend[] = backends.filter(({ graphics }) => !graphics)
