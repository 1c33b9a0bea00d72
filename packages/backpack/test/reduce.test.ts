/** @file Reductions of individual gradients chunk by chunk: the same as of all of them, in the memory of a few. */
import {
  backward,
  crossEntropy,
  type Extension,
  type Module,
  type ParameterMap,
  type Reduced,
} from '@beyondgrad/autograd'
import { Conv2d, Flatten, Linear, moduleOf, Sequential, Tanh } from '@beyondgrad/nn'
import {
  abs,
  capture,
  cast,
  concat,
  div,
  evaluate,
  greater,
  liveBytes,
  matmul,
  max,
  minimum,
  mul,
  ones,
  reciprocal,
  referenceEngine,
  reshape,
  sizeOf,
  sort,
  sqrt,
  square,
  sum,
  type Tensor,
  topologicalOrder,
  transpose,
} from '@beyondgrad/tensor'
import { bruteForce, checkExtension, checkMerge, type Definition, definitions } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  BatchGradient,
  BatchL2,
  Gradient,
  ReduceBatchGradient,
  type ReduceBatchGradientOptions,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { data, labels, weight } from './network.ts'
import { networks } from './networks.ts'

const engine = referenceEngine()
const samples = 5
const bound = 0.02

type Rows = readonly Float64Array[]
type Quantity = readonly [Omit<ReduceBatchGradientOptions<Tensor>, 'name'>, (rows: Rows) => readonly number[]]

const flat = (perSample: Tensor): Tensor => reshape(perSample, [perSample.shape[0]!, -1])
const along = (perSample: Tensor, weights: Tensor): Tensor => mul(flat(perSample), reshape(weights, [-1, 1]))
const total = (rows: Rows, f: (x: number, n: number) => number): number[] =>
  Array.from(rows[0]!, (_, i) => rows.reduce((all, row, n) => all + f(row[i]!, n), 0))
const norm = (row: Float64Array): number => Math.sqrt(row.reduce((all, x) => all + x * x, 0))

const quantities: Readonly<Record<string, Quantity>> = {
  'the largest entry': [
    { each: (p) => max(abs(p), [0]), fold: 'max', degree: 1 },
    (rows) => Array.from(rows[0]!, (_, i) => Math.max(...rows.map((row) => Math.abs(row[i]!)))),
  ],
  'fourth moments': [
    { each: (p) => sum(square(square(p)), [0]), degree: 'none' },
    (rows) => total(rows, (x) => x ** 4),
  ],
  'a histogram of entries': [
    {
      each: (p) => {
        const above = [-bound, 0, bound].map((edge) => cast(greater(p, edge), 'float32').sum())
        return concat(
          above.map((count) => reshape(count, [1])),
          0,
        )
      },
      degree: 'none',
    },
    (rows) =>
      [-bound, 0, bound].map((edge) =>
        rows.reduce((all, row) => all + row.filter((x) => x > edge).length, 0),
      ),
  ],
  'clipped gradients': [
    {
      each: (p) => {
        const norms = sqrt(sum(square(flat(p)), [1]).add(1e-30))
        return sum(along(p, minimum(mul(reciprocal(norms), bound), 1)), [0])
      },
      degree: 'none',
    },
    (rows) => {
      const factors = rows.map((row) => Math.min(1, bound / Math.max(norm(row), 1e-15)))
      return total(rows, (x, n) => x * factors[n]!)
    },
  ],
  'the median of each sample': [
    {
      each: (p) => {
        const sorted = sort(flat(p), 1)
        const middle = Math.floor((sorted.shape[1]! - 1) / 2)
        return reshape(sorted.slice(1, middle, middle + 1), [-1])
      },
      fold: 'concat',
      degree: 1,
    },
    (rows) => rows.map((row) => row.toSorted()[Math.floor((row.length - 1) / 2)]!),
  ],
  'a fold of one’s own': [
    { each: (p) => sum(square(p), [0]), fold: (a, b) => a.add(b), degree: 2, merge: 'sum' },
    (rows) => total(rows, (x) => x * x),
  ],
}

const byRows =
  (f: (rows: Rows) => readonly number[]): Definition =>
  async (at, p) => {
    const { rows: count, columns, data: numbers } = await at.sampleGradients(p)
    const rows = Array.from({ length: count }, (_, n) => numbers.slice(n * columns, (n + 1) * columns))
    return Float64Array.from(f(rows))
  }

describe.each(networks)('$name', ({ problem }) => {
  it.each(Object.keys(quantities))('%s', async (name) => {
    const [options, definition] = quantities[name]!
    for (const chunk of [2, undefined]) {
      const extension = ReduceBatchGradient({ ...options, name, chunk }) as Extension<ParameterMap<Tensor>>
      await checkExtension(extension, { ...problem(samples), definition: byRows(definition) })
    }
  })

  it('first-order quantities where no two samples fit into memory', async () => {
    const first = { 'batch-l2': BatchL2, 'sum-grad-squared': SumGradSquared, variance: Variance } as const
    for (const [name, quantity] of Object.entries(first)) {
      const definition = definitions[name as keyof typeof first]
      await checkExtension(quantity(), { ...problem(samples), definition, backward: { memory: 1 } })
    }
  })
})

/** Bytes of a network's quantities, and of its gradient. */
function bytesOf(
  model: Module,
  input: Tensor,
  extensions: Record<string, Extension<unknown>>,
  memory: number,
): number {
  const { graph } = capture(() => {
    const output = model(input)
    const loss = crossEntropy(output, labels(input.shape[0]!, output.shape[1]!))
    return backward(loss, { gradient: Gradient(), ...extensions }, { memory })
  }, 'test')
  return liveBytes(graph)
}

const count = 32
const normalised = (): Module => {
  const [v, g] = [weight('v', [48, 64]), weight('g', [48, 1])]
  const head = Linear(48, 3, { seed: 2 })
  const forward = (x: Tensor): Tensor => {
    const w = mul(v.value, div(g.value, sqrt(sum(square(v.value), [1], { keep: true }))))
    return head(matmul(x, transpose(w)).tanh())
  }
  return moduleOf(forward, [v, g, ...[...head.parameters].map(([p]) => p)])
}
const wide = Linear(64, 64, { seed: 1 })
/** A sample's input, and what its windows take that a convolution looks at, in bytes. */
const large: Readonly<Record<string, readonly [readonly number[], Module, number?]>> = {
  linear: [[64], Sequential(wide, Tanh(), Linear(64, 3, { seed: 2 }))],
  tied: [[64], Sequential(wide, Tanh(), wide, Tanh(), Linear(64, 3, { seed: 2 }))],
  sequence: [[4, 64], Sequential(wide, Tanh(), Flatten(), Linear(256, 3, { seed: 2 }))],
  convolution: [
    [8, 4, 4],
    Sequential(Conv2d(8, 32, 3, { seed: 1 }), Tanh(), Flatten(), Linear(128, 3, { seed: 2 })),
    4 * 8 * 9 * 4,
  ],
  'weights that are made of others': [[64], normalised()],
}

describe.each(Object.entries(large))('memory: %s', (_, [shape, model, windows = 0]) => {
  const input = data('x', [count, ...shape])
  const largest = Math.max(...[...model.parameters].map(([p]) => sizeOf(p.shape)))
  const all = 4 * count * largest
  const memory = all / 4
  const baseline = bytesOf(model, input, {}, memory)
  const most = ReduceBatchGradient({ name: 'most', each: (p) => max(abs(p), [0]), fold: 'max' })
  const fourth = ReduceBatchGradient({ name: 'fourth', each: (p) => sum(square(square(p)), [0]) })
  const results = 4 * [...model.parameters].reduce((n, [p]) => n + sizeOf(p.shape), 0)

  it('stays within the budget, where all gradients would not', () => {
    expect(bytesOf(model, input, { each: BatchGradient() }, memory)).toBeGreaterThan(baseline + all / 2)
    for (const asked of [{ most }, { fourth }, { most, fourth }] as Record<string, Extension<unknown>>[]) {
      const bytes = bytesOf(model, input, asked, memory)
      // A result that grows needs room for the old one and the next.
      const room = results * (Object.keys(asked).length + 2) + count * windows
      expect(bytes).toBeLessThan(baseline + memory + room)
      expect(bytes).toBeLessThan(baseline + all)
    }
  })

  it('makes no chunk before the last one has been reduced, in whatever order an engine works', () => {
    const { graph } = capture(
      () => backward(crossEntropy(model(input), labels(count, 3)), { most, fourth }, { memory }),
      'test',
    )
    const products = topologicalOrder(graph.outputs).filter(
      (node) => node.op.name === 'abs' && sizeOf(node.shape) >= largest && sizeOf(node.shape) % largest === 0,
    )
    expect(products.length).toBeGreaterThan(3)
    products.slice(1).forEach((node, i) => {
      expect(new Set(topologicalOrder([node])).has(products[i]!)).toBe(true)
    })
  })
})

describe('what is multiplied out', () => {
  it('comes in chunks, for the quantities that have no factors', () => {
    const model = normalised()
    const input = data('x', [count, 64])
    const all = 4 * count * 48 * 64
    const memory = all / 4
    const baseline = bytesOf(model, input, {}, memory)
    for (const quantity of [SumGradSquared, Variance, BatchL2]) {
      const few = bytesOf(model, input, { q: quantity() }, memory)
      expect(few).toBeLessThan(baseline + memory + all / 4)
      expect(bytesOf(model, input, { q: quantity() }, 2 ** 30)).toBeGreaterThan(baseline + all / 2)
    }
  })
})

describe('reduce', () => {
  const [net] = networks
  const ride = (options: Partial<ReduceBatchGradientOptions<Reduced>>): unknown => {
    const { model, loss, inputs, targets } = net!.problem(samples)
    const extension = ReduceBatchGradient<Reduced>({ name: 'r', each: (p) => sum(p, [0]), ...options })
    return backward(loss(model(inputs), targets), { extension })
  }

  it('makes several things of a chunk, and gives rows of what is known of all samples', async () => {
    const { model, loss, inputs, targets } = net!.problem(samples)
    const two = ReduceBatchGradient({
      name: 'two',
      chunk: 2,
      each: (p, { rows, from, to }, parameter) => ({
        weighted: sum(along(p, rows(data('weights', [samples]))), [0]),
        count: ones([1]).mul(to - from),
        size: ones([1]).mul(sizeOf(parameter.shape) / samples),
      }),
      degree: { weighted: 1, count: 0, size: 0 },
    })
    const { two: found } = await evaluate(backward(loss(model(inputs), targets), { two }), { engine })
    const at = await bruteForce({ model, loss, inputs, targets })
    const weights = Array.from((await evaluate({ w: data('weights', [samples]) }, { engine })).w.data)
    for (const parameter of at.parameters) {
      const { rows, columns, data: g } = await at.sampleGradients(parameter)
      const { weighted, count: n, size } = found.get(parameter)
      expect(Array.from(n.data)).toEqual([rows])
      expect(size.data[0]).toBeCloseTo((columns / samples) * 3, 10)
      weighted.data.forEach((x, i) => {
        expect(x).toBeCloseTo(
          weights.reduce((sofar, w, k) => sofar + w * g[k * columns + i]!, 0),
          12,
        )
      })
    }
  })

  it('takes some of the samples, and accumulates over batches', async () => {
    const definition = byRows((rows) => total([rows[4]!, rows[1]!, rows[4]!], (x) => x ** 4))
    const some = ReduceBatchGradient({
      name: 'some',
      subsample: [4, 1, 4],
      chunk: 2,
      each: (p) => sum(square(square(p)), [0]),
    })
    await checkExtension(some, { ...net!.problem(samples), definition })
    const most = ReduceBatchGradient({ name: 'most', degree: 1, each: (p) => max(abs(p), [0]), fold: 'max' })
    await checkMerge(most, net!.problem(samples))
  })

  it('refuses chunks, folds and results that are none', () => {
    for (const chunk of [0, -1, 1.5, NaN]) expect(() => ride({ chunk })).toThrow(/chunk is a positive number/)
    expect(() => ride({ fold: 'toString' as never })).toThrow(
      /by 'sum', 'max', 'min', 'concat' or a function/,
    )
    for (const wrong of [undefined, null, 3, {}, { a: 1 }]) {
      expect(() => ride({ each: () => wrong as never })).toThrow(/must make a tensor of a chunk/)
    }
  })
})
