/** @file The engine: a graph becomes a list of steps, each a few calls of TensorFlow.js. */
import { BeyondgradError, type Engine } from '@beyondgrad/tensor'
import { type BackendName, openBackend } from './backend.ts'
import { executable } from './executable.ts'
import { planOf } from './plan.ts'

export interface TfjsOptions {
  /** The backend of TensorFlow.js that computes. Default: one that is registered; wasm, webgpu, webgl, cpu in this order. */
  readonly backend?: BackendName
  /** Graphs kept ready that may come again; they hold no tensors. Default: 64. */
  readonly capacity?: number
}

/** An engine on `@tensorflow/tfjs-core`, which is loaded when the first graph is compiled. */
export function tfjs(options: TfjsOptions = {}): Engine {
  const { backend, capacity = 64 } = options
  if (!(Number.isInteger(capacity) && capacity >= 1)) {
    throw new BeyondgradError('value', `tfjs: capacity ${capacity} is not a positive integer`)
  }
  return {
    name: 'tfjs',
    protocol: 1,
    float: 'float32',
    capacity,
    compile: async (graph) => {
      const opened = await openBackend(backend)
      return executable(planOf(graph, opened.integers), opened)
    },
  }
}
