import { describe, expect, it } from 'vitest'
import {
  type AnyTensor,
  add,
  composite,
  constant,
  constantData,
  defineComposite,
  dependents,
  evaluate,
  exp,
  expand,
  greater,
  guard,
  type Graph,
  intTensor,
  matmul,
  maxPool,
  maxPoolVjp,
  mul,
  namedMap,
  reshape,
  square,
  substitute,
  sum,
  tensor,
  type Tensor,
  topologicalOrder,
  vmap,
  zeros,
} from '../src/index.ts'
import { expectValues } from './expect-values.ts'
import { watchedEngine } from './watched-engine.ts'

const x = tensor([1, 2])
const names = (nodes: readonly AnyTensor[]): string[] => nodes.map(({ op }) => op.name)
const compiled = async (y: AnyTensor): Promise<Graph> => {
  const engine = watchedEngine()
  await evaluate([y], { engine })
  return engine.graphs[0]!
}

describe('walks', () => {
  it('visit every node once, inputs before users', () => {
    const a = exp(x)
    const y = add(mul(a, a), a)
    expect(names(topologicalOrder([y, a]))).toEqual(['data', 'exp', 'mul', 'add'])
    expect(topologicalOrder([y], new Set([a]))).toHaveLength(2)
    expect([...dependents(topologicalOrder([y]), (node) => node === a)]).toHaveLength(3)
  })

  it('substitute puts other nodes in place of some', async () => {
    const y = exp(x).mul(x)
    const [changed] = substitute([y], new Map([[x, tensor([0, 0])]]))
    await expectValues(changed!, [0, 0])
    expect(substitute([y], new Map())[0]).toBe(y)
  })
})

describe('before a graph is compiled', () => {
  it('constants are folded, and what nobody asked for is not there', async () => {
    const graph = await compiled(x.mul(constant([2, 3]).add(1)))
    const order = topologicalOrder(graph.outputs)
    expect(names(order)).toEqual(['placeholder', 'constant', 'mul'])
    expect(Array.from(constantData(order[1]!) as Float64Array)).toEqual([3, 4])
  })

  it('results of folding that would be large stay expressions', async () => {
    const graph = await compiled(sum(zeros([100, 100]).add(constant(1))).add(x))
    expect(names(topologicalOrder(graph.outputs))).toContain('expand')
  })

  it('arithmetic with 0 and 1 and broadcasts that happen anyway are dropped', async () => {
    const y = x
      .mul(1)
      .add(0)
      .neg()
      .neg()
      .add(expand(tensor(3), [2]))
    const graph = await compiled(y)
    expect(names(topologicalOrder(graph.outputs))).toEqual(['placeholder', 'placeholder', 'add'])
    await expectValues(y, [4, 5])
  })

  it('0 times something stays, since the something may be NaN', async () => {
    await expectValues(tensor([1, NaN]).mul(0), [0, NaN])
  })
})

const doubledOp = defineComposite({
  name: 'doubled',
  alternatives: [
    { name: 'sum', expand: ([a]) => add(a as Tensor, a as Tensor) },
    { name: 'product', expand: ([a], { factor }) => mul(a as Tensor, factor as number) },
  ],
  choose: (node, request) => node.op.alternatives![request.siblings(node.inputs[0]!).length > 1 ? 1 : 0]!,
})

describe('composites', () => {
  it('are expanded when the whole request is known', async () => {
    const [a, b] = [composite(doubledOp, [x], { factor: 2 }), composite(doubledOp, [x], { factor: 3 })]
    expect(a.shape).toEqual([2])
    expect(names(topologicalOrder((await compiled(a)).outputs))).toContain('add')
    const engine = watchedEngine()
    const both = await evaluate({ a, b }, { engine })
    expect(names(topologicalOrder(engine.graphs[0]!.outputs))).not.toContain('add')
    expect([both.a.data[0], both.b.data[0]]).toEqual([2, 3])
  })

  it('are lifted by their plainest alternative', async () => {
    const f = vmap((a: Tensor) => composite(doubledOp, [a], { factor: 7 }))
    await expectValues(
      f(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
      [
        [2, 4],
        [6, 8],
      ],
    )
  })
})

describe('guards', () => {
  it('hand their value on when the check passes, and name the element when it fails', async () => {
    const labels = (values: number[]) =>
      guard(x, intTensor(values), { kind: 'range', what: 'the labels', from: 0, below: 3, except: -100 })
    await expectValues(labels([2, -100]), [1, 2])
    await expect(labels([0, 3]).read()).rejects.toThrow(
      'the labels contains 3 at [1], which is not an integer from 0 to 2',
    )
  })

  it('check computed tensors after the run, and engines never see them', async () => {
    const bad = tensor([[1, -1]]).pow(0.5)
    const y = guard(x, bad, { kind: 'finite', what: 'the root' })
    await expect(y.read()).rejects.toMatchObject({ code: 'data' })
    const good = guard(x, exp(x), { kind: 'finite', what: 'the power' })
    const engine = watchedEngine()
    const values = await evaluate([good], { engine })
    expect(values).toHaveLength(1)
    expect(names(topologicalOrder(engine.graphs[0]!.outputs))).not.toContain('guard')
    // Whoever does not ask for the value does not run the check either.
    await expectValues(x.add(1), [2, 3])
  })
})

describe('vmap', () => {
  it('lifts only what depends on a batched argument', () => {
    const shared = tensor([3, 4])
    const y = vmap((a: Tensor) => a.mul(exp(shared)))(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    )
    const lifted = topologicalOrder([y]).filter(({ op }) => op.name === 'exp')
    expect(lifted.map(({ shape }) => shape)).toEqual([[2]])
  })

  it('takes batch axes anywhere, shares arguments with null, and nests', async () => {
    const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b))
    const m = tensor([
      [1, 2],
      [3, 4],
    ])
    await expectValues(vmap(dot, [1, null])(m, x), [7, 10])
    const gram = vmap((a: Tensor) => vmap((b: Tensor) => dot(a, b))(m))(m)
    await expectValues(gram, [
      [5, 11],
      [11, 25],
    ])
  })

  it('repeats results that do not depend on the batch, and has no examples of an empty one', async () => {
    const f = vmap((a: Tensor, b: Tensor) => (a.shape.length > 5 ? a : b.mul(2)), [0, null])
    await expectValues(f(tensor([[1], [2]]), x), [
      [2, 4],
      [2, 4],
    ])
    const none = zeros([0, 1, 2, 4])
    await expectValues(vmap((a: Tensor) => maxPool(a, [2]))(none), [], [0, 1, 2, 2])
    await expectValues(vmap((a: Tensor) => square(a).sum())(none), [], [0])
  })

  it('of a selection by batched maxima', async () => {
    const window = { kernel: [2], stride: [2], before: [0], after: [0], dilation: [1] }
    const planes = tensor([[[[1, 5]]], [[[7, 2]]]])
    const y = vmap((a: Tensor) => maxPoolVjp(a, tensor([[[3]]]), window))(planes)
    await expectValues(y, [[[[0, 3]]], [[[3, 0]]]])
  })

  it('of products broadcasts shared batches beside its own axis', async () => {
    const a = reshape(tensor([1, 2, 3, 4]), [2, 1, 2])
    const b = tensor([
      [[1], [0]],
      [[0], [1]],
    ])
    await expectValues(vmap((m: Tensor) => matmul(m, b))(a), [
      [[[1]], [[2]]],
      [[[3]], [[4]]],
    ])
  })
})

describe('results', () => {
  it('keep their structure: nested objects, lists, maps, and what is no tensor', async () => {
    const map = namedMap([[{ name: 'a' }, x.sum()] as const])
    const fn = (): number => 3
    const found = await evaluate({ list: [x, { deep: x.add(1) }], map, fn, text: 'yes', flag: greater(x, 1) })
    expect(Array.from(found.list[1].deep.data)).toEqual([2, 3])
    expect(found.map.get('a').data[0]).toBe(3)
    expect(found.fn).toBe(fn)
    expect(found.text).toBe('yes')
    expect(Array.from(found.flag.data)).toEqual([0, 1])
    await expect(evaluate({})).resolves.toEqual({})
  })

  it('in maps are found by key or name, and a miss lists the names', () => {
    const [a, b] = [{ name: 'a' }, { name: 'b' }]
    const map = namedMap<{ name: string }, number>([
      [a, 1],
      [b, 2],
    ])
    expect([map.get('a'), map.get(b), map.size, map.has('c')]).toEqual([1, 2, 2, false])
    expect(map.map((value, key) => `${key.name}${value}`).toObject()).toEqual({ a: 'a1', b: 'b2' })
    expect([...map].map(([key]) => key)).toEqual([a, b])
    expect(() => map.get('c')).toThrow('there is no "c" here; there are: a, b')
    expect(() => namedMap([[a, 1] as const, [{ name: 'a' }, 2] as const])).toThrow(
      'two entries are called "a"',
    )
  })
})
