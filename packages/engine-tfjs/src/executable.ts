/**
 * @file Runs the steps of a plan. Every value is freed at its last use, and what is left is freed when a run ends, also
 * when it fails: between runs TensorFlow.js holds no tensor of ours.
 */
import {
  type AnyTensor,
  BeyondgradError,
  type Executable,
  formatShape,
  type HostArray,
} from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Backend } from './backend.ts'
import { download, upload } from './data.ts'
import { demandFit } from './overflow.ts'
import type { Plan, Step } from './plan.ts'

/** Milliseconds of work after which others get a turn: a signal can only arrive then. */
const turn = 50

export function executable(plan: Plan, backend: Backend): Executable {
  const running = new Set<Promise<unknown>>()
  let disposed = false
  return {
    run: (feeds, options) => {
      if (disposed) {
        return Promise.reject(
          new BeyondgradError('engine', 'tfjs: this executable is disposed; compile the graph again'),
        )
      }
      const result = run(plan, backend, feeds, options?.signal)
      running.add(result)
      return result.finally(() => running.delete(result))
    },
    dispose: async () => {
      disposed = true
      await Promise.allSettled(running)
    },
  }
}

/** What one run holds. */
interface State {
  readonly values: (Tensor | undefined)[]
  readonly checks: { readonly node: AnyTensor; readonly value: Tensor }[]
}

async function run(
  plan: Plan,
  backend: Backend,
  feeds: readonly HostArray[],
  signal: AbortSignal | undefined,
): Promise<readonly HostArray[]> {
  const state: State = { values: [], checks: [] }
  try {
    for (let at = 0; at < plan.steps.length;) {
      const { result, refused } = backend.watched(() => stretch(plan, backend, feeds, state, at, signal))
      at = result
      await demandAccepted(backend, refused)
      if (at < plan.steps.length) await new Promise((resolve) => setTimeout(resolve, 0))
    }
    await demandFit(state.checks, backend.integers)
    const results = plan.outputs.map((output) => state.values[output]!)
    const nodes = plan.outputs.map((output) => plan.steps[output]!.node)
    // Work of other runs may be handed over to the device with ours.
    const { result, refused } = backend.watched(() => download(results, nodes))
    const [arrays] = await Promise.all([result, demandAccepted(backend, refused)])
    return arrays
  } finally {
    for (const value of state.values) value?.dispose()
    for (const { value } of state.checks) value.dispose()
  }
}

/** Takes steps from `at` on until a turn is over; gives the next one. */
function stretch(
  plan: Plan,
  backend: Backend,
  feeds: readonly HostArray[],
  state: State,
  at: number,
  signal: AbortSignal | undefined,
): number {
  const end = performance.now() + turn
  for (; at < plan.steps.length; at++) {
    if (signal?.aborted) throw new BeyondgradError('cancelled', 'the evaluation was cancelled while it ran')
    if (performance.now() > end) return at
    const step = plan.steps[at]!
    try {
      state.values[at] = take(step, backend, feeds, state)
    } catch (error) {
      throw refused(step, backend.name, error)
    }
    for (const value of step.frees) {
      state.values[value]!.dispose()
      state.values[value] = undefined
    }
  }
  return at
}

function take(
  { node, inputs, work, check }: Step,
  { tf, integers }: Backend,
  feeds: readonly HostArray[],
  state: State,
): Tensor {
  if ('source' in work) return upload(tf, work.source(feeds), node, integers)
  const operands = inputs.map((input) => state.values[input]!)
  // What a kernel makes on its way is freed; its result stays.
  const made = tf.tidy(() => work.kernel(tf, operands))
  if (check !== undefined) state.checks.push({ node, value: tf.tidy(() => check(tf, operands)) })
  // A kernel that has nothing to do hands its operand on, which has an end of its own.
  return operands.includes(made) ? tf.clone(made) : made
}

async function demandAccepted(backend: Backend, refused: Promise<string | undefined>): Promise<void> {
  const message = await refused
  if (message === undefined) return
  const [line] = message.split('\n')
  throw new BeyondgradError(
    'engine',
    `tfjs: the device of backend "${backend.name}" refused a part of this graph: ${line}; use another backend, or another engine`,
  )
}

function refused(step: Step, backend: string, error: unknown): BeyondgradError {
  if (error instanceof BeyondgradError) return error
  const message = error instanceof Error ? error.message : String(error)
  const [line] = message.split('\n')
  const { op, shape } = step.node
  return new BeyondgradError(
    'engine',
    `tfjs cannot compute op "${op.name}" ${formatShape(shape)} on its backend "${backend}": ${line}; use another backend, or another engine`,
    { cause: error },
  )
}
