/** @file Curvature over data: against reference values, brute force, and one big batch against several. */
import { backward, bceWithLogits, crossEntropy } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { batches, Linear, Sequential, Tanh } from '@beyondgrad/nn'
import {
  type Engine,
  evaluate,
  type Graph,
  referenceEngine,
  sizeOf,
  sum,
  tensor,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { bruteForce } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  type CurvatureOperator,
  diagonal,
  EmpiricalFisherOperator,
  GGNOperator,
  HessianOperator,
  SumGradSquared,
  trace,
} from '../../src/index.ts'
import { data, labels, numbers, of, weight } from '../network.ts'
import { networks } from '../networks.ts'
import { close } from '../closeness.ts'
import { diagonalOf, normal, ofItsData, timesDense, traceOf } from './dense.ts'
import { all, classes, model, part, type Samples, split } from './samples.ts'

const reference = referenceEngine()
const native = onnxruntime()

const operators = { GGNOperator, HessianOperator, EmpiricalFisherOperator }

describe.each(Object.entries(operators))('%s', (_name, make) => {
  it.each(['mean', 'sum'] as const)('of batches is that of one big batch (%s)', async (reduction) => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets, { reduction })
    for (const [engine, rtol] of [
      [reference, 1e-11],
      [native, 1e-4],
    ] as const) {
      const [one, several] = [
        await make({ loss, data: all, engine }),
        await make({ loss, data: split, engine }),
      ]
      const vectors = [normal('u', one.layout.size), normal('v', one.layout.size)]
      const expected = await one.matmat(vectors)
      const progress: number[] = []
      const single = await several.matvec(vectors[0]!, { onProgress: ({ done }) => progress.push(done) })
      close(single, expected[0]!, rtol)
      expect(progress).toEqual([1, 2, 3])
      for (const [k, column] of (await several.matmat(vectors)).entries()) close(column, expected[k]!, rtol)
      close((await diagonal(several)).value, diagonalOf(await one.toDense()), rtol)
      expect((await trace(several)).value).toBeCloseTo(traceOf(await one.toDense()), rtol < 1e-6 ? 9 : 3)
    }
  })

  it('of batches of one sample, and of batches from a loader', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const one = await make({ loss, data: all })
    const dataset = { inputs: await all.inputs.read(), targets: await all.targets.read() }
    const single = await make({ loss, data: () => batches(dataset, { size: 1 }) })
    const vector = normal('u', one.layout.size)
    close(await single.matvec(vector), await one.matvec(vector), 1e-11)
  })

  it('counts weights and labels that are ignored', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor =>
      crossEntropy(net(inputs), targets, { ignoreIndex: 1, weight: tensor([1, 2, 5]) })
    const [one, several] = [
      await make({ loss, data: all }),
      await make({ loss, data: [part(0, 2), part(2, 7)] }),
    ]
    const vector = normal('u', one.layout.size)
    close(await several.matvec(vector), await one.matvec(vector), 1e-11)
  })

  it('multiplies as many vectors at once as memory allows', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const [ample, scarce] = [await make({ loss, data: all }), await make({ loss, data: all, memory: 1 })]
    const vectors = Array.from({ length: 3 }, (_, k) => normal(`v${k}`, ample.layout.size))
    const expected = await ample.matmat(vectors)
    const steps: number[] = []
    const found = await scarce.matmat(vectors, { onProgress: ({ done }) => steps.push(done) })
    found.forEach((column, k) => close(column, expected[k]!, 1e-12))
    expect(steps).toEqual([1, 2, 3])
  })

  it('belongs to the parameters as they were', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const operator = await make({ loss, data: all })
    const vector = normal('u', operator.layout.size)
    const before = await operator.matvec(vector)
    const first = net.parameters.get('0.weight')
    const old = first.cell.data as Float32Array<ArrayBuffer>
    first.set(old.map((x) => x * 2))
    await expect(operator.matvec(vector)).rejects.toMatchObject({ code: 'stale-parameter' })
    await expect(operator.known.diagonal!()).rejects.toThrow(
      /parameter "0.weight" was updated .* refreshed\(\)/,
    )
    const fresh = operator.refreshed()
    const anew = await make({ loss, data: all })
    close(await fresh.matvec(vector), await anew.matvec(vector), 1e-12)
    first.set(old)
    close(await fresh.refreshed().matvec(vector), before, 1e-12)
    await operator.dispose()
    close(await fresh.refreshed().matvec(vector), before, 1e-12)
  })

  it('can be cancelled', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const operator = await make({ loss, data: split })
    const controller = new AbortController()
    const cancelled = operator.matvec(normal('u', operator.layout.size), {
      signal: controller.signal,
      onProgress: ({ done }) => void (done === 1 && controller.abort()),
    })
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('has parameters of size 0, and needs others', async () => {
    for (const engine of [reference, native]) {
      const [w, none] = [weight('w', [4, classes]), weight('none', [0, 4])]
      const net = of([none, w], (x) => x.matmul(w.value).add(sum(none.value)))
      const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
      const operator = await make({ loss, data: all, engine })
      const single = await make({ loss, data: all, engine, parameters: [w] })
      expect(operator.layout.size).toBe(12)
      const vectors = [normal('u', 12), normal('v', 12)]
      const expected = await single.matmat(vectors)
      for (const [k, column] of (await operator.matmat(vectors)).entries()) close(column, expected[k]!, 1e-5)
      await expect(make({ loss, data: all, engine, parameters: [none] })).rejects.toThrow(
        /depends on no trainable parameter, or on none with any elements/,
      )
    }
  })

  it('says what is wrong with the data', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const dataset = { inputs: await all.inputs.read(), targets: await all.targets.read() }
    const generator = batches(dataset, { size: 3 })
    await expect(make({ loss, data: generator })).rejects.toThrow(
      /data is a generator, which can be read once only/,
    )
    await expect(make({ loss, data: [] as Samples[] })).rejects.toThrow(/data has no batches/)
    await expect(make({ loss, data: {} as Samples })).rejects.toThrow(/a batch has no tensors/)
    await expect(make({ loss, data: { ...all, inputs: all.inputs.mul(2) } })).rejects.toThrow(
      /batch.inputs of a batch is an expression \(mul\)/,
    )
    await expect(make({ loss: () => loss(part(0, 2)), data: split })).rejects.toThrow(
      /does not depend on the batch/,
    )
    await expect(make({ loss, data: all, memory: 0 })).rejects.toThrow(/memory must be a positive number/)
    await expect(make({ loss: ({ inputs }: Samples) => net(inputs), data: all })).rejects.toThrow(
      /must be one number, not a tensor of shape \[7, 3\]/,
    )
    const once = generator[Symbol.asyncIterator]()
    const emptied = await make({ loss, data: () => once })
    await expect(emptied.matvec(normal('u', emptied.layout.size))).rejects.toThrow(
      /no more at the second reading/,
    )
    const broken: Samples = {
      ...all,
      inputs: tensor(new Float32Array(28).fill(NaN), { shape: [7, 4], dtype: 'float32' }),
    }
    const operator = await make({ loss, data: broken })
    if (make !== HessianOperator) {
      await expect(operator.matvec(normal('u', operator.layout.size))).rejects.toThrow(
        /the input contains NaN/,
      )
    }
    await expect(trace(operator, { method: 'hutchinson' })).rejects.toMatchObject({ code: 'data' })
  })
})

/** Individual gradients are what the empirical Fisher matrix is made of. */
describe('the empirical Fisher matrix', () => {
  const chosen = networks.filter(({ name }, i) => i % 6 === 0 && !name.startsWith('two losses'))
  it.each(chosen.map((network) => [network.name, network] as const))(
    'of %s, by brute force',
    async (_name, network) => {
      const problem = network.problem(3)
      const { model: net, loss, inputs, targets } = problem
      const whole = loss(net(inputs), targets)
      const operator: CurvatureOperator = await EmpiricalFisherOperator(ofItsData(whole))
      const at = await bruteForce(problem)
      const size = operator.layout.size
      const dense = new Float64Array(size * size)
      const list = [...operator.parameters].map(([p]) => p)
      const gradients = await Promise.all(list.map((p) => at.sampleGradients(p)))
      const product = await operator.toDense()
      for (let n = 0; n < at.samples; n++) {
        const g = Float64Array.from(
          gradients.flatMap(({ columns, data: d }) => [...d.subarray(n * columns, (n + 1) * columns)]),
        )
        for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) dense[i * size + j]! += g[i]! * g[j]!
      }
      // 1 / c is the number of averaged terms, outputs of a sample included.
      const scale = await scaleOf(whole)
      close(
        product.data,
        dense.map((x) => x / scale),
        1e-8,
      )
      const { squares } = await evaluate(backward(whole, { squares: SumGradSquared() }), {
        engine: reference,
      })
      const own = operator.layout.flatten(squares).map((x) => x / scale)
      close((await diagonal(operator)).value, own, 1e-8)
    },
  )
})

/** What the terms of the one loss are multiplied with. */
async function scaleOf(whole: Tensor): Promise<number> {
  const marked = topologicalOrder([whole]).find(({ op }) => op.name.startsWith('loss:'))!
  const { reduction, divisor, divided } = marked.attributes as {
    readonly reduction: string
    readonly divisor: number | undefined
    readonly divided: boolean
  }
  if (reduction === 'sum') return 1
  if (divisor !== undefined) return 1 / divisor
  const total = divided ? (marked.inputs.at(-1) as Tensor) : sum(marked.inputs[2] as Tensor)
  return 1 / (await evaluate({ total }, { engine: reference })).total.data[0]!
}

it('the GGN and the Hessian are symmetric, the GGN is that of brute force', async () => {
  const net = model()
  const problem = { model: net, loss: (f: Tensor, y: Tensor<'int32'>) => crossEntropy(f, y), ...all }
  const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
  const at = await bruteForce(problem)
  for (const make of [GGNOperator, HessianOperator]) {
    const operator = await make({ loss, data: all })
    const [u, v] = [normal('u', operator.layout.size), normal('v', operator.layout.size)]
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((s, x, i) => s + x * b[i]!, 0)
    expect(dot(u, await operator.matvec(v))).toBeCloseTo(dot(v, await operator.matvec(u)), 10)
    expect(operator.adjoint()).toMatchObject({ shape: operator.shape })
    for (const [p] of operator.parameters) {
      const block = await (make === GGNOperator ? at.ggn(p) : at.hessian(p))
      close((await operator.restrict([p]).toDense()).data, block.data, 1e-9)
      const own = await make({ loss, data: all, parameters: [p] })
      close(await own.matvec(u.slice(0, block.rows)), timesDense(block, u.slice(0, block.rows)), 1e-9)
    }
  }
})

it('a batch may hold numbers, lists and several inputs', async () => {
  const net = Linear(2, 1, { seed: 3 })
  const loss = ({
    views,
    y,
    factor,
  }: {
    readonly views: readonly Tensor[]
    readonly y: Tensor
    readonly factor: number
  }): Tensor => bceWithLogits(net(views[0]!.add(views[1]!)), y).mul(factor)
  const batch = { views: [data('a', [3, 2]), data('b', [3, 2])], y: tensor([[1], [0], [1]]), factor: 1 }
  const [single, double] = [
    await GGNOperator({ loss, data: batch }),
    await GGNOperator({ loss, data: [{ ...batch, factor: 2 }] }),
  ]
  const vector = normal('u', 3)
  close(
    await double.matvec(vector),
    (await single.matvec(vector)).map((x) => 2 * x),
    1e-12,
  )
})

/** The reference engine, and the graphs that it was asked to compile. */
function recording(): { readonly engine: Engine; readonly graphs: Graph[] } {
  const graphs: Graph[] = []
  const compile: Engine['compile'] = (graph) => {
    graphs.push(graph)
    return reference.compile(graph)
  }
  return { engine: { ...reference, compile }, graphs }
}

describe.each(Object.entries(operators))('a product of %s', (_name, make) => {
  it('is compiled once for each shape of a batch', async () => {
    const net = model()
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const { engine, graphs } = recording()
    const operator = await make({ loss, data: split, engine })
    expect(graphs.length).toBe(0)
    await operator.matvec(normal('u', operator.layout.size))
    expect(graphs.length).toBe(2)
    await operator.matvec(normal('v', operator.layout.size))
    net.parameters.get('0.weight').set(numbers('other', [5, 4]))
    await operator.refreshed().matvec(normal('v', operator.layout.size))
    expect(graphs.length).toBe(2)
  })

  it('holds neither a gradient for every sample nor the matrix', async () => {
    const net = Sequential(Linear(20, 30, { seed: 1 }), Tanh(), Linear(30, classes, { seed: 2 }))
    const loss = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const { engine, graphs } = recording()
    const batch = { inputs: data('x', [64, 20]), targets: labels(64, classes) }
    const operator = await make({ loss, data: batch, engine })
    await operator.matvec(normal('u', operator.layout.size))
    const sizes = topologicalOrder(graphs[0]!.outputs).map(({ shape }) => sizeOf(shape))
    // [64, 30] and [64, 20] are what layers hold, 600 numbers are in the weight.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 30)
  })
})
