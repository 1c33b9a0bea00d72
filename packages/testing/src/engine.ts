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
  topologicalOrder,
  zeros,
} from '@beyondgrad/tensor'
import { demandClose, type Tolerance } from './close.ts'
import { operations, randomExpressions, randomInputs } from './random-graph.ts'
import { reference } from './reference.ts'

export interface EngineOptions extends Tolerance {
  /** Random graphs to run, of all operations mixed. Default: 60. */
  readonly graphs?: number
  /** Random graphs to run of each operation alone. Default: 0. */
  readonly each?: number
  /** The graphs are those of seed, seed + 1, …. Default: 1. */
  readonly seed?: number
  /** What the graphs are made of. Default: all that there is. */
  readonly operations?: readonly string[]
  /** Whether the engine may refuse graphs as unsupported; they are listed in the report. Default: false. */
  readonly allowRefusals?: boolean
  /** Whether to run gradients, too, which contain ops of their own. Default: true. */
  readonly gradients?: boolean
}

/** What an engine was asked, and what it said. */
export interface EngineReport {
  readonly engine: string
  readonly graphs: number
  /** In how many graphs that came out right each op was, leaves aside. */
  readonly ops: ReadonlyMap<string, number>
  /** What the engine refused as unsupported, in its own words, and how many graphs; empty unless refusals were allowed. */
  readonly refusals: ReadonlyMap<string, number>
}

/**
 * Checks the manners of an engine, then its numbers on random graphs; throws with the first on which it differs from the
 * reference engine. Tolerances default to 1e-4 and 1e-5 in single precision, 1e-9 and 1e-10 in double.
 */
export async function checkEngine(engine: Engine, options: EngineOptions = {}): Promise<EngineReport> {
  const single = engine.float === 'float32'
  const tolerance = {
    rtol: options.rtol ?? (single ? 1e-4 : 1e-9),
    atol: options.atol ?? (single ? 1e-5 : 1e-10),
  }
  const graphs = graphsFor(options)
  const report = {
    engine: engine.name,
    graphs: graphs.length,
    ops: new Map<string, number>(),
    refusals: new Map<string, number>(),
  }
  try {
    await checkContract(engine, tolerance)
    for (const { seed, of } of graphs) {
      const tensors = randomGraph(seed, of, options.gradients ?? true)
      const what = of.length === 1 ? `random graph ${seed} of ${of[0]}` : `random graph ${seed}`
      try {
        await demandSame(engine, what, tensors, tolerance)
      } catch (error) {
        const refusal = refusalIn(error)
        if (refusal === undefined || options.allowRefusals !== true) throw error
        count(report.refusals, refusal)
        continue
      }
      const found = topologicalOrder(tensors).filter(({ op }) => op.family !== 'leaf')
      for (const name of new Set(found.map(({ op }) => op.name))) count(report.ops, name)
    }
  } finally {
    await releaseExecutables(engine)
  }
  return report
}

interface RandomGraph {
  readonly seed: number
  /** What it is made of. */
  readonly of: readonly string[]
}

function graphsFor({
  graphs = 60,
  each = 0,
  seed = 1,
  operations: made = operations,
}: EngineOptions): readonly RandomGraph[] {
  const some = (count: number, of: readonly string[]): RandomGraph[] =>
    Array.from({ length: count }, (_, i) => ({ seed: seed + i, of }))
  return [...some(graphs, made), ...made.flatMap((operation) => some(each, [operation]))]
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

/** The engine's own words, if it said that it can't. */
function refusalIn(error: unknown): string | undefined {
  const cause = (error as Error).cause as (Error & { readonly code?: string }) | undefined
  return cause?.code === 'unsupported' ? cause.message : undefined
}

function randomGraph(seed: number, of: readonly string[], gradients: boolean): readonly AnyTensor[] {
  const inputs = randomInputs({ seed, empty: true })
  const made = randomExpressions(inputs, { seed, operations: of })
  const last = made.at(-1)
  const slopes = gradients && last ? gradient(last.sum(), inputs) : []
  return [...made, ...slopes]
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
