/** @file What becomes of a call: refused with a reason, or a result of the stated shape on every engine. */
import * as ops from '@beyondgrad/tensor'
import {
  type AnyTensor,
  type Engine,
  evaluate,
  isTensor,
  type NDArray,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'
import { type Call, printed } from './calls.ts'

export interface Outcome {
  /** `result`, `too big to run here`, or the code of the refusal and where it came. */
  readonly kind: string
  /** What should not have happened. */
  readonly wrong?: string
}

/** No graph with more elements than this is run. */
const most = 2e5

const documented = new Set(
  [
    ...readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^## `(.*)`$/gm),
  ].map(([, code]) => code),
)

/** Makes the call and runs what it built on each engine. */
export async function outcomeOf(call: Call, engines: readonly Engine[]): Promise<Outcome> {
  let built: readonly AnyTensor[]
  try {
    const op = (ops as unknown as Record<string, (...args: unknown[]) => unknown>)[call.op]!
    built = tensorsIn(op(...call.args))
    built.forEach(({ shape }) => ops.checkShape(call.op, shape))
  } catch (error) {
    return refusal(call, 'when built', error)
  }
  const nodes = topologicalOrder(built)
  if (nodes.some(({ shape }) => ops.sizeOf(shape) > most) || workOf(nodes) > most * 100)
    return { kind: 'too big to run here' }
  if (nodes.some(({ op }) => op.name === 'placeholder')) return { kind: 'result' }
  let kind = 'result'
  for (const engine of engines) {
    try {
      const values = await evaluate(built, { engine })
      const wrong = built.findIndex((node, i) => !fits(node, values[i]!))
      if (wrong !== -1) {
        const { shape, dtype, data } = values[wrong]!
        return {
          kind: 'wrong',
          wrong: `${printed(call)}: ${engine.name} gives ${dtype}${ops.formatShape(shape)} with ${data.length} elements`,
        }
      }
    } catch (error) {
      const found = refusal(call, `by ${engine.name}`, error)
      if (found.wrong !== undefined) return found
      kind = found.kind
    }
  }
  return { kind }
}

function tensorsIn(result: unknown): readonly AnyTensor[] {
  if (isTensor(result)) return [result]
  return Object.values(result as Record<string, unknown>).filter(isTensor)
}

function workOf(nodes: readonly AnyTensor[]): number {
  return nodes.reduce((work, { op, shape, attributes }) => {
    const kernel = op.family === 'window' ? ops.sizeOf((attributes.kernel as number[] | undefined) ?? []) : 1
    return work + ops.sizeOf(shape) * kernel
  }, 0)
}

function fits(node: AnyTensor, value: NDArray<ops.DType>): boolean {
  return (
    ops.sameShape(node.shape, value.shape) &&
    value.dtype === node.dtype &&
    value.data.length === ops.sizeOf(node.shape)
  )
}

function refusal(call: Call, where: string, error: unknown): Outcome {
  const { name, message, code } = error as Error & { readonly code?: string }
  if (error instanceof ops.BeyondgradError && documented.has(code)) {
    if (where !== 'when built' && code === 'engine') {
      return { kind: 'wrong', wrong: `${printed(call)}: ${where}: ${message}` }
    }
    return { kind: `${code} ${where}` }
  }
  return { kind: 'wrong', wrong: `${printed(call)}: ${where}: ${name}: ${message.split('\n')[0]}` }
}
