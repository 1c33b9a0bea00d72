/** @file The eleven points of tensor semantics in the design, one by one. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  add,
  BeyondgradError,
  cell,
  cellTensor,
  compile,
  constant,
  evaluate,
  exp,
  type Graph,
  hold,
  matmul,
  mul,
  random,
  reshape,
  setEngine,
  StaleParameterError,
  tensor,
  type Tensor,
  topologicalOrder,
  updates,
  vmap,
} from '../src/index.ts'
import { later, watchedEngine } from './watched-engine.ts'

afterEach(() => setEngine(undefined))

const list = async (x: Tensor): Promise<number[]> => Array.from((await x.read()).data)
const counts = ({ outputs }: Graph, op: string): number =>
  topologicalOrder(outputs).filter((node) => node.op.name === op).length
const scalarCell = (name: string, value: number) =>
  cell(name, { shape: [], dtype: 'float32', data: Float32Array.of(value) })
const valueOf = (c: ReturnType<typeof scalarCell>): Tensor => cellTensor(c) as unknown as Tensor

describe('1. a tensor is an immutable expression', () => {
  it('that knows its op, inputs, attributes, shape and dtype when it is built, and computes nothing', () => {
    const engine = watchedEngine()
    setEngine(engine)
    const a = tensor([
      [1, 2],
      [3, 4],
    ])
    const b = matmul(a, a).add(1)
    expect(b).toMatchObject({ shape: [2, 2], dtype: 'float32' })
    expect(b.op.name).toBe('add')
    expect(b.inputs[0]!.inputs).toEqual([a, a])
    expect(engine.graphs).toHaveLength(0)
  })

  it('that operations leave as it was, and that nobody has to dispose of', async () => {
    const a = tensor([1, 2])
    const before = { ...a }
    a.add(1).mul(2).reshape([2, 1]).exp()
    expect({ ...a }).toEqual(before)
    for (const word of ['dispose', 'tidy', 'retain', 'release', 'ref']) expect(word in a, word).toBe(false)
    expect(await list(a)).toEqual([1, 2])
  })

  it('whose results belong to the caller: writing into one changes nothing else', async () => {
    const a = tensor([1, 2])
    const { leaf, folded, view } = await evaluate({
      leaf: a,
      folded: constant([3, 4]),
      view: reshape(a, [2, 1]),
    })
    for (const { data } of [leaf, folded, view]) data.fill(-1)
    expect(await list(a)).toEqual([1, 2])
    expect(await list(constant([3, 4]))).toEqual([3, 4])
  })
})

describe('2. there is no global interning', () => {
  it('equal expressions are different objects with equal hashes', () => {
    const a = tensor([1, 2])
    const [one, other] = [exp(a).add(1), exp(a).add(1)]
    expect(one).not.toBe(other)
    expect(one.hash).toBe(other.hash)
    expect(exp(a).add(2).hash).not.toBe(one.hash)
  })

  it('but one evaluation computes common parts once', async () => {
    const engine = watchedEngine()
    const a = tensor([1, 2])
    const { x, y, z } = await evaluate({ x: exp(a).add(1), y: exp(a).mul(2), z: exp(a).add(1) }, { engine })
    expect(counts(engine.graphs[0]!, 'exp')).toBe(1)
    expect(counts(engine.graphs[0]!, 'add')).toBe(1)
    expect(z.data).toEqual(x.data)
    expect(y.data[0]).toBeCloseTo(2 * Math.E, 12)
  })

  it('and executables that share a hash are told apart by comparison', async () => {
    // Hashes have 32 bits: among enough constants two collide.
    const seen = new Map<number, number>()
    const number = (i: number): number => Math.sqrt(i) + 1
    let pair: readonly [number, number] | undefined
    for (let i = 1; pair === undefined && i < 400_000; i++) {
      const { key } = constant(number(i))
      const other = seen.get(key)
      if (other !== undefined) pair = [number(other), number(i)]
      seen.set(key, i)
    }
    expect(pair).toBeDefined()
    const engine = watchedEngine()
    const a = tensor([1])
    const [p, q] = pair!
    const [first, second] = [a.add(constant(p)), a.add(constant(q))]
    expect(first.hash).toBe(second.hash)
    const run = async (x: Tensor) => (await evaluate({ x }, { engine })).x.data[0]
    expect(await run(first)).toBe(1 + p)
    expect(await run(second)).toBe(1 + q)
    expect(engine.graphs).toHaveLength(2)
  })
})

describe('3. leaves are hashed by identity, constants by content', () => {
  it('new data means the same executable', async () => {
    const engine = watchedEngine()
    for (const k of [1, 2, 3]) {
      const { y } = await evaluate({ y: tensor([k, -k]).mul(2).sum() }, { engine })
      expect(y.data[0]).toBe(0)
    }
    expect(engine.graphs).toHaveLength(1)
    expect(engine.runs).toBe(3)
  })

  it('two leaves with equal data are two inputs; one leaf twice is one', async () => {
    const engine = watchedEngine()
    const [a, b] = [tensor([1, 2]), tensor([1, 2])]
    expect(a.hash).not.toBe(b.hash)
    await evaluate([a.mul(b)], { engine })
    await evaluate([a.mul(a)], { engine })
    expect(engine.graphs.map(({ inputs }) => inputs.length)).toEqual([2, 1])
  })

  it('a constant is copied, folded and baked in; another one is another executable', async () => {
    const engine = watchedEngine()
    const numbers = Float32Array.of(1, 2)
    const c = constant(numbers, { shape: [2], dtype: 'float32' })
    numbers[0] = 99
    const a = tensor([1, 1])
    const { y } = await evaluate({ y: a.add(exp(c)) }, { engine })
    expect(Array.from(y.data)).toEqual([1 + Math.exp(1), 1 + Math.exp(2)])
    expect(counts(engine.graphs[0]!, 'exp')).toBe(0)
    await evaluate({ y: tensor([5, 5]).add(exp(constant([1, 2]))) }, { engine })
    expect(engine.graphs).toHaveLength(1)
    await evaluate({ y: a.add(exp(constant([1, 3]))) }, { engine })
    expect(engine.graphs).toHaveLength(2)
  })
})

describe('4. an expression means the parameters as they were when it was built', () => {
  it('and is stale after an update, while a compiled function reads what is there', async () => {
    const c = scalarCell('w', 2)
    const before = valueOf(c).mul(10)
    const live = compile((x: Tensor) => ({ y: valueOf(c).mul(x) }))
    expect((await live(tensor(3))).y.data[0]).toBe(6)
    await evaluate(updates([[c, valueOf(c).add(1)]]))
    await expect(before.read()).rejects.toThrow(StaleParameterError)
    await expect(before.read()).rejects.toThrow('parameter "w" was updated after this expression was built')
    expect(await valueOf(c).mul(10).item()).toBe(30)
    expect((await live(tensor(3))).y.data[0]).toBe(9)
  })

  it('evaluate reads every cell before its first await; an update swaps the buffer and never writes into one', async () => {
    const c = scalarCell('w', 2)
    const buffer = c.data
    const reading = valueOf(c).mul(10).item()
    c.data = Float32Array.of(7)
    c.version++
    expect(await reading).toBe(20)
    const now = c.data
    await evaluate(updates([[c, valueOf(c).add(1)]]))
    expect([buffer[0], now[0], c.data[0]]).toEqual([2, 7, 8])
  })
})

describe('5. nodes remember no values', () => {
  it('two reads are two executions, evaluate is one for all, hold turns a value into data', async () => {
    const engine = watchedEngine()
    setEngine(engine)
    const y = exp(tensor([0, 1])).sum()
    expect(await y.item()).toBe(await y.item())
    expect(engine.runs).toBe(2)
    await evaluate({ y, more: [y.add(1), { z: y.mul(2) }] })
    expect(engine.runs).toBe(3)
    const held = await hold(y)
    expect(held.inputs).toEqual([])
    expect(await held.mul(2).item()).toBeCloseTo(2 * (1 + Math.E), 12)
    expect(counts(engine.graphs.at(-1)!, 'exp')).toBe(0)
  })
})

describe('6. runs that write parameters', () => {
  it('are first in, first out, however long they take', async () => {
    const engine = watchedEngine()
    const c = scalarCell('w', 1)
    const append = compile((digit: Tensor) => ({ w: updates([[c, valueOf(c).mul(10).add(digit)]]) }), {
      engine,
    })
    const gate = later()
    engine.before = (run) => (run === 0 ? gate.promise : undefined)
    const all = Promise.all([append(tensor(2)), append(tensor(3)), append(tensor(4))])
    await Promise.resolve()
    gate.resolve()
    await all
    expect(c.data[0]).toBe(1234)
    expect(c.version).toBe(3)
  })

  it('commit all of their writes or none', async () => {
    const engine = watchedEngine()
    const [a, b] = [scalarCell('a', 1), scalarCell('b', 2)]
    const swap = compile(
      () => ({
        u: updates([
          [a, valueOf(b)],
          [b, valueOf(a)],
        ]),
      }),
      { engine },
    )
    engine.before = (run) => (run === 0 ? Promise.reject(new Error('power cut')) : undefined)
    const [failed, done] = await Promise.allSettled([swap(), swap()])
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'power cut' } })
    expect(done.status).toBe('fulfilled')
    // The failed run changed nothing, and the one that waited for it ran all the same.
    expect([a.data[0], b.data[0]]).toEqual([2, 1])
    expect([a.version, b.version]).toEqual([1, 1])
  })

  it('do not wait for runs that write other parameters', async () => {
    const engine = watchedEngine()
    const [a, b] = [scalarCell('a', 1), scalarCell('b', 1)]
    const gate = later()
    engine.before = (run) => (run === 0 ? gate.promise : undefined)
    const slow = evaluate(updates([[a, valueOf(a).add(1)]]), { engine })
    await Promise.resolve()
    await evaluate(updates([[b, valueOf(b).add(1)]]), { engine })
    expect([a.data[0], b.data[0]]).toEqual([1, 2])
    gate.resolve()
    await slow
    expect(a.data[0]).toBe(2)
  })

  it('find out that they became stale while they waited', async () => {
    const c = scalarCell('w', 1)
    const [first, second] = [updates([[c, valueOf(c).add(1)]]), updates([[c, valueOf(c).add(10)]])]
    const [one, two] = await Promise.allSettled([evaluate(first), evaluate(second)])
    expect(one.status).toBe('fulfilled')
    expect(two).toMatchObject({ status: 'rejected', reason: { code: 'stale-parameter' } })
    expect(c.data[0]).toBe(2)
  })

  it('must fit what they write to', () => {
    const c = scalarCell('w', 1)
    expect(() => updates([[c, tensor([1, 2])]])).toThrow('updates: "w" has shape [], its new value [2]')
    expect(() => updates([[c, constant(1, 'int32')]])).toThrow(
      'updates: "w" holds float32, its new value is int32',
    )
  })
})

describe('7. random leaves are pure functions of seed, stream, step, sample, draw and position', () => {
  const uniform = (shape: readonly [number, number, ...number[]], seed = 1, stream = 's'): Tensor =>
    random(shape, { distribution: 'uniform', seed, stream })

  it('the same leaf gives the same numbers, within a run and from run to run', async () => {
    const r = uniform([2, 3])
    const { a, b, c } = await evaluate({ a: r.mul(1), b: r.add(0), c: uniform([2, 3]) })
    expect(b.data).toEqual(a.data)
    expect(c.data).toEqual(a.data)
    expect((await r.read()).data).toEqual(a.data)
  })

  it('another seed, stream or step gives others', async () => {
    const numbers = (x: Tensor, step = 0) =>
      evaluate({ x }, { step }).then(({ x: { data } }) => Array.from(data))
    const base = await numbers(uniform([1, 4]))
    for (const other of [uniform([1, 4], 2), uniform([1, 4], 1, 't')]) {
      expect((await numbers(other)).some((x, i) => x === base[i])).toBe(false)
    }
    expect((await numbers(uniform([1, 4]), 1)).some((x, i) => x === base[i])).toBe(false)
    expect(await numbers(uniform([1, 4]), 0)).toEqual(base)
  })

  it('a part of the draws and samples has the numbers that it has in the whole', async () => {
    const { whole, part, sliced } = await evaluate({
      whole: uniform([3, 4, 2]),
      part: uniform([2, 3, 2]),
      sliced: uniform([3, 4, 2]).slice(0, 0, 2).slice(1, 0, 3),
    })
    expect(Array.from(part.data)).toEqual(Array.from(sliced.data))
    expect(whole.data[0]).toBe(part.data[0])
  })
})

describe('8. while tracing there are no values, and nothing recurses', () => {
  it('reading throws where it stands', async () => {
    const attempts = [
      (x: Tensor) => x.read(),
      (x: Tensor) => x.item(),
      (x: Tensor) => evaluate({ x }),
      (x: Tensor) => hold(x),
    ]
    for (const attempt of attempts) {
      let thrown: unknown
      const traced = compile((x: Tensor) => {
        try {
          void attempt(x.sum())
        } catch (error) {
          thrown = error
        }
        return { x }
      })
      await traced(tensor([1, 2]))
      expect(thrown, String(attempt)).toBeInstanceOf(BeyondgradError)
      expect(thrown).toMatchObject({ code: 'tracing' })
    }
  })

  it('a traced argument has no value outside of its function', async () => {
    let escaped: Tensor | undefined
    await compile((x: Tensor) => {
      escaped = x.add(1)
      return { escaped }
    })(tensor([1]))
    await expect(escaped!.read()).rejects.toMatchObject({
      code: 'tracing',
      message:
        'an expression that contains the traced argument 0 has no value outside of its function; return it from there',
    })
  })

  it('chains of 100,000 nodes overflow no stack: evaluate, compile and vmap', async () => {
    const chain = (x: Tensor): Tensor => {
      let y = x
      for (let i = 0; i < 50_000; i++) y = add(mul(y, 0.5), 1)
      return y
    }
    const [one] = await list(chain(tensor([3])))
    expect(one).toBeCloseTo(2, 9)
    const compiled = compile((x: Tensor) => ({ y: chain(x) }))
    expect((await compiled(tensor([3]))).y.data[0]).toBe(one)
    expect(await list(vmap(chain)(tensor([[3], [2]])))).toEqual([one, 2])
  })
})

describe('9. float32 is the engine’s float', () => {
  it('and the reference engine’s is double precision', async () => {
    const x = tensor(Float64Array.of(0.1, 0.2) as never, { shape: [2], dtype: 'float32' })
    const sum = await x.sum().read()
    expect(sum.dtype).toBe('float32')
    expect(sum.data).toBeInstanceOf(Float64Array)
    expect(sum.data[0]).toBe(0.1 + 0.2)
  })

  it('a single-precision engine is fed single precision', async () => {
    const seen: unknown[] = []
    const engine = {
      ...watchedEngine(),
      float: 'float32' as const,
      compile: () =>
        Promise.resolve({
          run: (feeds: readonly unknown[]) => {
            seen.push(...feeds)
            return Promise.resolve([Float32Array.of(0)])
          },
          dispose: () => Promise.resolve(),
        }),
    }
    await evaluate([tensor(Float64Array.of(0.1) as never, { shape: [1], dtype: 'float32' }).sum()], {
      engine,
    })
    expect(seen).toEqual([Float32Array.of(0.1)])
  })
})

describe('10. shapes are numbers (a free batch axis in exported files is not built yet, and not tested here)', () => {
  it('another batch size is another trace, and the old one is kept', async () => {
    const engine = watchedEngine()
    let traces = 0
    const f = compile(
      (x: Tensor) => {
        traces++
        expect(x.shape.every((d) => Number.isInteger(d))).toBe(true)
        return { y: x.sum([1]) }
      },
      { engine },
    )
    for (const n of [2, 3, 2, 3]) {
      const { y } = await f(tensor(Array.from({ length: n }, () => [1, 2])))
      expect(Array.from(y.data)).toEqual(Array<number>(n).fill(3))
    }
    expect([traces, engine.graphs.length]).toEqual([2, 2])
  })
})
