import { afterEach, describe, expect, it } from 'vitest'
import {
  cell,
  cellTensor,
  compile,
  currentEngine,
  evaluate,
  exp,
  type Graph,
  liveBytes,
  placeholder,
  referenceEngine,
  releaseExecutables,
  setEngine,
  tensor,
  type Tensor,
  topologicalOrder,
  updates,
  zeros,
} from '../src/index.ts'
import { later, watchedEngine } from './watched-engine.ts'

afterEach(() => setEngine(undefined))

/** Different programs for different numbers. */
const program = (n: number): Tensor => {
  let x: Tensor = tensor([1])
  for (let i = 0; i < n; i++) x = exp(x.mul(0.1))
  return x
}

describe('executables', () => {
  it('are kept up to the engine’s capacity, and the one that was not used for longest is disposed', async () => {
    const engine = watchedEngine({ capacity: 2 })
    const run = (n: number): Promise<unknown> => evaluate([program(n)], { engine })
    await run(1)
    await run(2)
    await run(1)
    await run(3)
    // 2 had to go: 1 was used since.
    expect(engine.disposed).toEqual([1])
    await run(1)
    expect(engine.graphs).toHaveLength(3)
    await run(2)
    expect(engine.graphs).toHaveLength(4)
    expect(engine.disposed).toEqual([1, 2])
  })

  it('are kept up to a number of bytes, too; one that is too big is kept alone', async () => {
    const sizes = new Map([1, 2, 3, 4].map((n) => [n, n === 4 ? 1000 : 40]))
    const exps = (graph: Graph): number =>
      topologicalOrder(graph.outputs).filter(({ op }) => op.name === 'exp').length
    const engine = watchedEngine({ capacityBytes: 100, bytes: (graph) => sizes.get(exps(graph))! })
    const run = (n: number): Promise<unknown> => evaluate([program(n)], { engine })
    await run(1)
    await run(2)
    await run(1)
    expect(engine.disposed).toEqual([])
    await run(3)
    // 40 bytes each: 2 had to go.
    expect(engine.disposed).toEqual([1])
    await run(4)
    expect(engine.disposed).toEqual([1, 0, 2])
    await run(4)
    expect(engine.graphs).toHaveLength(4)
    await run(1)
    expect(engine.disposed).toEqual([1, 0, 2, 3])
    await run(1)
    expect(engine.graphs).toHaveLength(5)
  })

  it('count once when they are evicted while they are compiled', async () => {
    const engine = watchedEngine({ capacity: 1, capacityBytes: 100, bytes: () => 60 })
    await Promise.all([1, 2, 3].map((n) => evaluate([program(n)], { engine })))
    await evaluate([program(3)], { engine })
    expect([engine.graphs.length, engine.disposed.length]).toEqual([3, 2])
  })

  it('are disposed only when their last run is over', async () => {
    const engine = watchedEngine({ capacity: 1 })
    const gate = later()
    engine.before = (run) => (run < 2 ? gate.promise : undefined)
    const running = [evaluate([program(1)], { engine }), evaluate([program(1)], { engine })]
    await new Promise((resolve) => setTimeout(resolve))
    await evaluate([program(2)], { engine })
    expect(engine.disposed).toEqual([])
    gate.resolve()
    await Promise.all(running)
    expect(engine.disposed).toEqual([0])
  })

  it('are compiled once, however many ask at the same time', async () => {
    const engine = watchedEngine()
    await Promise.all([1, 2, 3].map((k) => evaluate([tensor([k]).mul(2)], { engine })))
    expect([engine.graphs.length, engine.runs]).toEqual([1, 3])
  })

  it('are all released on request, when their disposal is over, and compiled anew afterwards', async () => {
    const engine = watchedEngine()
    await evaluate([program(1)], { engine })
    await evaluate([program(2)], { engine })
    await releaseExecutables(engine)
    expect(engine.disposed).toEqual([0, 1])
    await evaluate([program(1)], { engine })
    expect(engine.graphs).toHaveLength(3)
    await releaseExecutables(referenceEngine())
  })

  it('that an engine refuses are not kept, and the reason reaches whoever asked', async () => {
    const engine = watchedEngine()
    let refusals = 0
    const picky = {
      ...engine,
      compile: (graph: Parameters<typeof engine.compile>[0]) =>
        refusals++ === 0 ? Promise.reject(new Error('not in this mood')) : engine.compile(graph),
    }
    await expect(evaluate([program(1)], { engine: picky })).rejects.toThrow('not in this mood')
    await expect(evaluate([program(1)], { engine: picky })).resolves.toHaveLength(1)
  })

  it('survive a run that fails', async () => {
    const engine = watchedEngine()
    engine.before = (run) => (run === 0 ? Promise.reject(new Error('once')) : undefined)
    await expect(evaluate([program(1)], { engine })).rejects.toThrow('once')
    await evaluate([program(1)], { engine })
    expect([engine.graphs.length, engine.disposed.length]).toEqual([1, 0])
  })

  it('hold no data: a graph that is kept has placeholders for leaves', async () => {
    const engine = watchedEngine()
    await evaluate([tensor([1, 2]).mul(3)], { engine })
    const [graph] = engine.graphs
    expect(topologicalOrder(graph!.outputs).map((node) => node.op.name)).toEqual([
      'placeholder',
      'constant',
      'mul',
    ])
  })
})

describe('the memory of a run', () => {
  it('is what is alive at the same time', () => {
    const x = placeholder([100], 'float32')
    const graph = (...outputs: Tensor[]): Graph => ({ inputs: [x], outputs })
    expect(liveBytes(graph(x))).toBe(0)
    expect(liveBytes(graph(exp(x)))).toBe(400)
    expect(liveBytes(graph(exp(exp(exp(exp(x))))))).toBe(800)
    expect(liveBytes(graph(exp(x), exp(exp(x)).sum()))).toBe(1200)
  })
})

describe('cancellation', () => {
  it('before a run computes nothing', async () => {
    const engine = watchedEngine()
    const signal = AbortSignal.abort()
    await expect(evaluate([program(1)], { engine, signal })).rejects.toMatchObject({
      code: 'cancelled',
      message: 'the evaluation was cancelled before it ran',
    })
    expect(engine.graphs).toHaveLength(0)
  })

  it('while the graph is compiled stops before the run, and the executable is kept', async () => {
    const engine = watchedEngine()
    const controller = new AbortController()
    const running = evaluate([program(1)], { engine, signal: controller.signal })
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
    expect(engine.runs).toBe(0)
    await evaluate([program(1)], { engine })
    expect(engine.graphs).toHaveLength(1)
  })

  it('of one call of a compiled function leaves the other calls and the parameters alone', async () => {
    const engine = watchedEngine()
    const c = cell('count', { shape: [], dtype: 'float32', data: Float32Array.of(1) })
    const valueOf = (): Tensor => cellTensor(c) as unknown as Tensor
    const count = compile(() => ({ old: valueOf().mul(1), next: updates([[c, valueOf().add(1)]]) }), {
      engine,
    })
    const controller = new AbortController()
    engine.before = (run) => {
      if (run === 1) controller.abort()
      return undefined
    }
    const calls = [count(), count.with({ signal: controller.signal })(), count()]
    const ends = await Promise.allSettled(calls)
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await count()).old.data).toEqual(Float64Array.of(3))
  })

  it('during a run of the reference engine stops between two ops', async () => {
    const controller = new AbortController()
    const engine = watchedEngine()
    engine.before = () => {
      controller.abort()
      return undefined
    }
    await expect(evaluate([program(3)], { engine, signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
      message: 'the evaluation was cancelled',
    })
  })
})

describe('the current engine', () => {
  it('is the reference engine until another one is set, and again when that is taken away', async () => {
    expect(currentEngine().name).toBe('reference')
    const engine = watchedEngine()
    setEngine(engine)
    expect(currentEngine()).toBe(engine)
    await program(1).read()
    expect(engine.runs).toBe(1)
    setEngine(undefined)
    expect(currentEngine().name).toBe('reference')
  })

  it('is shared by all copies of the package, under one symbol', () => {
    const engine = watchedEngine()
    setEngine(engine)
    const scope = globalThis as unknown as Record<symbol, { engine?: unknown }>
    expect(scope[Symbol.for('beyondgrad.1')]!.engine).toBe(engine)
  })

  it('of another protocol is refused', async () => {
    const other = { ...watchedEngine(), protocol: 2 } as never
    expect(() => setEngine(other)).toThrow(/setEngine: expected an engine of protocol 1, got protocol 2/)
    const x = tensor([1])
    await expect(evaluate({ x }, { engine: other })).rejects.toThrow(
      /evaluate: .* protocol 1, got protocol 2/,
    )
    const run = compile((y: Tensor) => y.add(1), { engine: other })
    await expect(run(x)).rejects.toThrow(/compile: .* protocol 1, got protocol 2/)
  })

  it('may be another one at every call of a compiled function', async () => {
    const [first, second] = [watchedEngine(), watchedEngine()]
    const f = compile((x: Tensor) => ({ y: x.mul(2) }))
    setEngine(first)
    await f(tensor([1]))
    setEngine(second)
    await f(tensor([1]))
    expect([first.runs, second.runs]).toEqual([1, 1])
  })
})

describe('the reference engine', () => {
  it('says once that a big evaluation would be quicker elsewhere, with the line that installs it', async () => {
    const said: string[] = []
    const engine = referenceEngine({ warn: (message) => said.push(message) })
    await evaluate([tensor([1]).mul(2)], { engine })
    expect(said).toEqual([])
    // Compiled, not run.
    await engine.compile({ inputs: [], outputs: [zeros([1000, 1000]).matmul(zeros([1000, 1000]))] })
    await engine.compile({ inputs: [], outputs: [zeros([1001, 1000]).matmul(zeros([1000, 1000]))] })
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('npm i @beyondgrad/engine-onnxruntime onnxruntime-node')
  })
})
