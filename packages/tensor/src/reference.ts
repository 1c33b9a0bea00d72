/**
 * @file The reference engine: a plain interpreter in double precision, the executable specification of every op.
 * Slow by design; every other engine is tested against it.
 */
import { type HostArray, isFloat } from './dtype.ts'
import { workOf } from './cost.ts'
import type { Engine, Executable, Graph } from './engine.ts'
import { BeyondgradError, cancelled } from './errors.ts'
import { topologicalOrder } from './graph.ts'
import { constantData } from './leaf.ts'
import type { AnyTensor } from './node.ts'
import type { Dense } from './op.ts'
import { formatShape } from './shape.ts'

/** Work above which a first run on this engine tells that there are faster ones. */
const bigWork = 2e8

/**
 * An engine that interprets graphs in double precision.
 *
 * @param options `warn` is told once when a graph is big, by default on the console
 */
export function referenceEngine(options: { readonly warn?: (message: string) => void } = {}): Engine {
  let warned = false
  const warn = options.warn ?? ((message: string) => console.warn(message))
  return {
    name: 'reference',
    protocol: 1,
    float: 'float64',
    capacity: 256,
    compile: (graph) => {
      if (!warned && workOf(graph) > bigWork) {
        warned = true
        warn(
          'beyondgrad: this evaluation is big for the reference engine; for native speed: npm i @beyondgrad/engine-onnxruntime onnxruntime-node, then setEngine(onnxruntime())',
        )
      }
      return Promise.resolve(interpreter(graph))
    },
  }
}

function interpreter({ inputs, outputs }: Graph): Executable {
  const order = topologicalOrder(outputs)
  const users = new Map<AnyTensor, number>()
  for (const node of order) for (const input of node.inputs) users.set(input, (users.get(input) ?? 0) + 1)
  for (const output of outputs) users.set(output, Infinity)
  return {
    run: async (feeds, runOptions) => {
      const values = new Map<AnyTensor, HostArray>()
      inputs.forEach((input, i) => values.set(input, asFloat64(input, feeds[i]!)))
      const left = new Map(users)
      for (const node of order) {
        if (runOptions?.signal?.aborted) throw cancelled()
        if (values.has(node)) continue
        values.set(node, compute(node, values))
        for (const input of node.inputs) {
          const uses = left.get(input)! - 1
          left.set(input, uses)
          if (uses === 0) values.delete(input)
        }
      }
      return Promise.resolve(
        outputs.map((output) => {
          const value = values.get(output)!
          // What was fed or is baked in belongs to somebody else.
          return output.op.family === 'leaf' || output.op.name === 'reshape' ? value.slice() : value
        }),
      )
    },
    dispose: () => Promise.resolve(),
  }
}

function asFloat64(node: AnyTensor, data: HostArray): HostArray {
  return isFloat(node.dtype) && !(data instanceof Float64Array)
    ? Float64Array.from(data as Float32Array)
    : data
}

function compute(node: AnyTensor, values: ReadonlyMap<AnyTensor, HostArray>): HostArray {
  const baked = constantData(node)
  if (baked !== undefined) return asFloat64(node, baked)
  if (node.op.kernel === undefined) {
    throw new BeyondgradError('engine', `the reference engine has no kernel for op "${node.op.name}"`)
  }
  const dense: Dense[] = node.inputs.map((input) => ({
    shape: input.shape,
    dtype: input.dtype,
    data: values.get(input)!,
  }))
  try {
    return node.op.kernel(dense, node.attributes, node)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new BeyondgradError(
      'engine',
      `op "${node.op.name}" ${formatShape(node.shape)} needs more memory than there is (${error.message}); take a smaller batch`,
      { cause: error },
    )
  }
}
