/** @file An engine against the reference engine: the contract case by case, then random graphs and their gradients. */
import { gradient } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  cast,
  compile,
  constant,
  type DType,
  type Engine,
  evaluate,
  formatShape,
  greater,
  intTensor,
  isFloat,
  type NDArray,
  releaseExecutables,
  tensor,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import { demandClose, type Tolerance } from './close.ts'
import { operations, randomExpressions, randomInputs } from './random-graph.ts'
import { reference } from './reference.ts'

export interface EngineOptions extends Tolerance {
  /** Random graphs to run. Default: 60. */
  readonly graphs?: number
  /** The graphs are those of seed, seed + 1, …. Default: 1. */
  readonly seed?: number
  /** What the graphs are made of. Default: all that there is. */
  readonly operations?: readonly string[]
  /** Whether to run gradients, too, which contain ops of their own. Default: true. */
  readonly gradients?: boolean
}

/**
 * Checks the manners of an engine, then its numbers on random graphs; throws with the first on which it differs from the
 * reference engine. Tolerances default to 1e-4 and 1e-5 in single precision, 1e-9 and 1e-10 in double.
 */
export async function checkEngine(engine: Engine, options: EngineOptions = {}): Promise<void> {
  const single = engine.float === 'float32'
  const tolerance = {
    rtol: options.rtol ?? (single ? 1e-4 : 1e-9),
    atol: options.atol ?? (single ? 1e-5 : 1e-10),
  }
  try {
    await checkContract(engine, tolerance)
    const first = options.seed ?? 1
    for (let seed = first; seed < first + (options.graphs ?? 60); seed++) {
      await checkRandomGraph(engine, seed, options, tolerance)
    }
  } finally {
    await releaseExecutables(engine)
  }
}

async function checkRandomGraph(
  engine: Engine,
  seed: number,
  options: EngineOptions,
  tolerance: Tolerance,
): Promise<void> {
  const inputs = randomInputs({ seed, empty: true })
  const made = randomExpressions(inputs, { seed, operations: options.operations ?? operations })
  const last = made.at(-1)
  const slopes = (options.gradients ?? true) && last ? gradient(last.sum(), inputs) : []
  await demandSame(engine, `random graph ${seed}`, [...made, ...slopes], tolerance)
}

/** Evaluates on both engines and compares shapes, element types and numbers. */
async function demandSame(
  engine: Engine,
  what: string,
  tensors: readonly AnyTensor[],
  tolerance: Tolerance,
): Promise<void> {
  const expected = await evaluate(tensors, { engine: reference })
  let found: readonly NDArray<DType>[]
  try {
    found = await evaluate(tensors, { engine })
  } catch (error) {
    throw new Error(`${engine.name}, ${what} (${list(tensors)}): ${String(error)}`, { cause: error })
  }
  tensors.forEach((node, i) => {
    const name = `${engine.name}, ${what}, op "${node.op.name}" ${formatShape(node.shape)}`
    const exact = { rtol: 0, atol: 0 }
    demandClose(name, found[i]!.data, expected[i]!.data, node.shape, isFloat(node.dtype) ? tolerance : exact)
  })
}

const list = (tensors: readonly AnyTensor[]): string =>
  tensors.map((node) => `${node.op.name} ${formatShape(node.shape)}`).join(', ')

async function checkContract(engine: Engine, tolerance: Tolerance): Promise<void> {
  const x = tensor([
    [1, -2],
    [3, 0.5],
  ])
  const same = x.mul(2).add(1)
  const empty = tensor(new Float32Array(0), { shape: [0, 2], dtype: 'float32' })
  const whole = intTensor([1, -2, 3])
  await demandSame(engine, 'an input that is an output', [x, x.sum()], tolerance)
  await demandSame(engine, 'one output asked for twice', [same, same], tolerance)
  await demandSame(engine, 'constants as outputs', [constant([1, 2]), zeros([2, 3])], tolerance)
  await demandSame(engine, 'a reshaped input', [x.reshape([4]), x.reshape([1, 4])], tolerance)
  await demandSame(engine, 'empty tensors', [empty, empty.add(1), empty.sum(), empty.sum([0])], tolerance)
  await demandSame(engine, 'a scalar', [tensor(3).mul(2), tensor(3)], tolerance)
  await demandSame(
    engine,
    'integers and truth values',
    [whole, cast(whole, 'float32'), greater(x, 0)],
    tolerance,
  )
  await checkFeeds(engine)
  await checkRepetition(engine, tolerance)
}

/** What is fed belongs to somebody else: an engine neither writes into it nor hands it out. */
async function checkFeeds(engine: Engine): Promise<void> {
  const numbers = [1, -2, 3, 0.5]
  const data = engine.float === 'float32' ? Float32Array.from(numbers) : Float64Array.from(numbers)
  const x = tensor({ data, shape: [2, 2], dtype: 'float32' } as NDArray)
  const [out] = await evaluate([x, x.neg()], { engine })
  out.data[0] = 77
  demandClose(`${engine.name}: an input was written to`, data, numbers, x.shape, {})
}

/** Runs one executable several times, at once and one after the other, with other inputs. */
async function checkRepetition(engine: Engine, tolerance: Tolerance): Promise<void> {
  const run = compile((a: Tensor) => ({ y: a.mul(a).sum([1]), z: a.exp() }), { engine })
  const inputs = [1, 2, 3].map((k) => tensor([[k, -k, 0.5]]))
  const at = async (a: Tensor, i: number): Promise<void> => {
    const { y, z } = await run(a)
    const k = i + 1
    const name = `${engine.name}, run ${k} of a compiled function`
    demandClose(name, y.data, [2 * k * k + 0.25], y.shape, tolerance)
    demandClose(name, z.data, [Math.exp(k), Math.exp(-k), Math.exp(0.5)], z.shape, tolerance)
  }
  await Promise.all(inputs.map(at))
  for (const [i, a] of inputs.entries()) await at(a, i)
  await run.dispose()
}
