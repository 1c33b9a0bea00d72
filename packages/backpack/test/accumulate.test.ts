/** @file How batches become a whole: what is asked, combined, refused and stopped. That every quantity is the same: merges.test.ts. */
import {
  accumulate,
  arraysIn,
  backward,
  crossEntropy,
  type CrossEntropyOptions,
  defineExtension,
  type Extension,
  gradientFlow,
  mseLoss,
  parameter,
} from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { CrossEntropyLoss, Linear, rows, Sequential, SGD, Tanh, trainStep } from '@beyondgrad/nn'
import {
  cast,
  DataError,
  evaluate,
  intTensor,
  matmul,
  minimum,
  type NDArray,
  ones,
  reciprocal,
  referenceEngine,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { watchedEngine } from '@beyondgrad/testing'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  BatchGradient,
  DiagHessian,
  DiagHessianMC,
  Gradient,
  KFAC,
  KFRA,
  quantities,
  SqrtGGNMC,
  Variance,
} from '../src/index.ts'
import { close } from './closeness.ts'
import { data, labels } from './network.ts'

const engine = referenceEngine()

type Sample = { readonly inputs: Tensor; readonly targets: Tensor<'int32'> }

const samples = 7
const model = Sequential(Linear(4, 5, { seed: 1 }), Tanh(), Linear(5, 3, { seed: 2 }))
const x = data('x', [samples, 4])
const y = labels(samples, 3)

/** Batches of these sizes, one after the other. */
async function cut(
  sizes: readonly number[],
  inputs: Tensor = x,
  targets: Tensor<'int32'> = y,
): Promise<Sample[]> {
  const values = await evaluate({ inputs, targets }, { engine })
  let at = 0
  return sizes.map((size) => {
    const which = Array.from({ length: size }, () => at++)
    return { inputs: tensor(rows(values.inputs, which)), targets: tensor(rows(values.targets, which)) }
  })
}

const ask = {
  gradient: Gradient(),
  each: BatchGradient(),
  variance: Variance(),
  kfac: KFAC({ samples: 2 }),
  root: SqrtGGNMC({ samples: 2 }),
  hessian: DiagHessian(),
  estimate: DiagHessianMC({ samples: 2 }),
}
const lossOf =
  (options: CrossEntropyOptions = {}) =>
  ({ inputs, targets }: Sample): Tensor =>
    crossEntropy(model(inputs), targets, options)

function expectClose(found: unknown, expected: unknown, rtol = 1e-11): void {
  const [a, b] = [arraysIn(found), arraysIn(expected)]
  expect([...a.keys()]).toEqual([...b.keys()])
  for (const [path, { data: numbers, shape }] of b) {
    expect(a.get(path)!.shape, path).toEqual(shape)
    const [is, should] = [a.get(path)!.data, numbers].map((all) => Float64Array.from(all as Float64Array))
    close(is!, should!, rtol, path)
  }
}

describe('accumulate', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: samples }).map((list) => {
    const kept: number[] = []
    let left = samples
    for (const size of list) {
      if (left === 0) break
      kept.push(Math.min(size, left))
      left -= kept.at(-1)!
    }
    return left > 0 ? [...kept, left] : kept
  })
  const options = fc.record({
    reduction: fc.constantFrom('mean', 'sum'),
    weight: fc.option(fc.constant(tensor([0.5, 2, 1])), { nil: undefined }),
    labelSmoothing: fc.constantFrom(0, 0.1),
  })

  it('gives the same however the data is cut, random draws included', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, options, async (parts, given) => {
        const loss = lossOf(given)
        const found = await accumulate(ask, await cut(parts), { loss, engine })
        const whole = { inputs: x, targets: y }
        const one = await evaluate({ results: backward(loss(whole), ask), loss: loss(whole) }, { engine })
        expectClose(found.results, one.results)
        expect(found.loss).toBeCloseTo(one.loss.data[0]!, 12)
        expect(found).toMatchObject({ samples, batches: parts.length })
      }),
      { numRuns: 25 },
    )
  })

  it('weighs by the labels that are not ignored, and says what the whole averages over', async () => {
    const targets = intTensor([0, 1, -1, 2, -1, -1, 1])
    const loss = lossOf({ ignoreIndex: -1 })
    const found = await accumulate(ask, await cut([2, 4, 1], x, targets), { loss, engine })
    const whole = { inputs: x, targets }
    expectClose(found.results, await evaluate(backward(loss(whole), ask), { engine }))
    expect(found.normalizer).toBeCloseTo(1 / 4, 14)
    // A batch by itself is refused: its mean is over nothing.
    const nothing = accumulate(ask, await cut([4, 2, 1], x, targets), { loss, engine })
    await expect(nothing).rejects.toThrow(DataError)
  })

  it('weighs several losses by the terms of each, where they have the same share', async () => {
    const both = ({ inputs, targets }: Sample): Tensor => {
      const output = model(inputs)
      return mseLoss(output, output.mul(0).add(0.3)).mul(0.2).add(crossEntropy(output, targets))
    }
    const tied = { ...ask, kfac: Gradient() }
    const fixed = ({ inputs, targets }: Sample): Tensor => {
      const output = model(inputs)
      const target = tensor(new Float32Array(output.shape[0]! * 3).fill(0.3), {
        shape: [output.shape[0]!, 3],
        dtype: 'float32',
      })
      return mseLoss(output, target).mul(0.2).add(crossEntropy(output, targets))
    }
    await expect(accumulate(tied, await cut([3, 4]), { loss: both, engine })).rejects.toThrow(
      /hold\(\) it first/,
    )
    const found = await accumulate(tied, await cut([3, 4]), { loss: fixed, engine })
    const whole = { inputs: x, targets: y }
    expectClose(found.results, await evaluate(backward(fixed(whole), tied), { engine }))
    const uneven = ({ inputs, targets }: Sample): Tensor =>
      crossEntropy(model(inputs), targets, { ignoreIndex: 1 }).add(crossEntropy(model(inputs), targets))
    await expect(
      accumulate({ gradient: Gradient() }, await cut([3, 4]), { loss: uneven, engine }),
    ).rejects.toThrow(/the losses of batch 2 are weighed otherwise than those of the first batch/)
  })

  it('keeps weight decay, which belongs to no sample, as one batch has it', async () => {
    const [w] = [...model.parameters].map(([p]) => p)
    const decayed =
      (reduction: 'mean' | 'sum', weight?: Tensor) =>
      (batch: Sample): Tensor =>
        lossOf({ reduction, weight })(batch).add(w!.value.square().sum().mul(0.1))
    const loss = decayed('mean', tensor([1, 3, 0.2]))
    const asked = { gradient: Gradient(), variance: Variance(), estimate: DiagHessianMC() }
    const whole = { inputs: x, targets: y }
    const one = backward(loss(whole), asked, { regularizers: 'ignore' })
    const found = await accumulate(asked, await cut([2, 5]), { loss, engine, regularizers: 'ignore' })
    expectClose(found.results, await evaluate(one, { engine }))
    await expect(accumulate(asked, await cut([2, 5]), { loss: decayed('sum'), engine })).rejects.toThrow(
      /terms of parameters alone \(0\.weight\), which every batch would add again/,
    )
  })

  it('builds one executable for each size of batch', async () => {
    const watched = watchedEngine()
    const seen: unknown[] = []
    let traces = 0
    const loss = (batch: Sample): Tensor => {
      traces++
      return lossOf()(batch)
    }
    await accumulate({ hessian: DiagHessian(), kfac: KFAC() }, await cut([2, 2, 2, 1]), {
      loss,
      engine: watched,
      onProgress: (progress) => seen.push(progress),
    })
    expect([watched.compiled, watched.runs, traces]).toEqual([2, 4, 2])
    expect(seen).toEqual([
      { batches: 1, samples: 2, total: 4 },
      { batches: 2, samples: 4, total: 4 },
      { batches: 3, samples: 6, total: 4 },
      { batches: 4, samples: 7, total: 4 },
    ])
  })

  it('holds one batch at a time: the next is asked for when the last has been combined', async () => {
    const order: string[] = []
    async function* source(): AsyncGenerator<Sample> {
      for (const [i, batch] of (await cut([3, 4])).entries()) {
        order.push(`batch ${i}`)
        yield batch
      }
    }
    const { batches } = await accumulate({ gradient: Gradient() }, source(), {
      loss: lossOf(),
      engine,
      onProgress: ({ batches: done, total }) => order.push(`done ${done} of ${total}`),
    })
    expect(batches).toBe(2)
    expect(order).toEqual(['batch 0', 'done 1 of undefined', 'batch 1', 'done 2 of undefined'])
  })

  it('gives single precision on an engine that computes in it', async () => {
    const found = await accumulate(ask, await cut([3, 3, 1]), { loss: lossOf(), engine: onnxruntime() })
    const one = await evaluate(backward(lossOf()({ inputs: x, targets: y }), ask), { engine })
    expectClose(found.results, one, 2e-5)
    for (const [, { data: numbers }] of arraysIn(found.results)) expect(numbers).toBeInstanceOf(Float32Array)
  })

  it('merges variances that are small beside their means', async () => {
    const w = parameter('w', { shape: [1, 1], dtype: 'float32', data: Float32Array.of(1) })
    const spread = tensor([[1000], [1000.25], [1000.5], [1000.75]])
    const zero = intTensor([0, 0, 0, 0])
    const loss = ({ inputs }: Sample): Tensor =>
      mseLoss(matmul(inputs, w.value), inputs.add(-0.5), { reduction: 'sum' })
    const asked = { variance: Variance() }
    const found = await accumulate(asked, await cut([1, 2, 1], spread, zero), { loss, engine: onnxruntime() })
    const one = await evaluate(backward(loss({ inputs: spread, targets: zero }), asked), { engine })
    const [a, b] = [found, { results: one }].map(({ results }) => results.variance.get('w').data[0]!)
    expect(Math.abs(a! - b!) / b!).toBeLessThan(1e-3)
  })

  it('refuses what can’t be combined before anything runs, naming the extension', async () => {
    let asked = 0
    const never: Iterable<Sample> = {
      [Symbol.iterator]: () => {
        asked++
        return [][Symbol.iterator]()
      },
    }
    const refused = (extensions: Record<string, Extension<unknown>>): Promise<unknown> =>
      accumulate(extensions, never, { loss: lossOf(), engine })
    await expect(refused({ kfra: KFRA() })).rejects.toThrow(
      'accumulate: extension "kfra" says nothing of how the results of batches combine (it has no merge); ask backward() for it, with one batch, or leave it out',
    )
    const below: Extension<unknown> = defineExtension({
      name: 'above',
      flow: gradientFlow,
      needs: { kfra: KFRA() },
      merge: ([part]) => part!.result,
      parameter: ({ contribution }) => contribution.sum(),
    })
    await expect(refused({ below })).rejects.toThrow(
      /the merge of extension "above" sees the results of "kfra"/,
    )
    await expect(refused({ wrong: Variance as never })).rejects.toThrow(/call its factory/)
    expect(asked).toBe(0)
    const clipped: Extension<unknown> = defineExtension({
      name: 'clipped',
      flow: gradientFlow,
      degree: 'none',
      merge: 'sum',
      parameter: ({ contribution }) =>
        contribution.weightedSum(minimum(reciprocal(contribution.squaredNorm().sqrt()), 1)),
    })
    const watched = watchedEngine()
    const batches = await cut([3, 4])
    await expect(accumulate({ clipped }, batches, { loss: lossOf(), engine: watched })).rejects.toThrow(
      /the result of extension "clipped" is of no degree in the loss/,
    )
    expect(watched.runs).toBe(0)
    const loss = lossOf({ reduction: 'sum' })
    const found = await accumulate({ clipped }, batches, { loss, engine })
    const one = await evaluate(backward(loss({ inputs: x, targets: y }), { clipped }), { engine })
    expectClose(found.results, one)
  })

  it('refuses a loss whose samples mix, which has no parts', async () => {
    const mixing = ({ inputs, targets }: Sample): Tensor => {
      const output = model(inputs)
      return crossEntropy(output.sub(output.mean([0], { keep: true })), targets)
    }
    const whole = accumulate({ gradient: Gradient() }, await cut([3, 4]), { loss: mixing, engine })
    await expect(whole).rejects.toMatchObject({ code: 'mixed-samples' })
    const unmarked = ({ inputs }: Sample): Tensor => model(inputs).square().sum()
    await expect(
      accumulate({ gradient: Gradient() }, await cut([7]), { loss: unmarked, engine }),
    ).rejects.toMatchObject({ code: 'not-a-loss' })
    const mixed = ({ inputs, targets }: Sample): Tensor =>
      crossEntropy(model(inputs), targets).add(crossEntropy(model(inputs), targets, { reduction: 'sum' }))
    await expect(
      accumulate({ gradient: Gradient() }, await cut([7]), { loss: mixed, engine }),
    ).rejects.toThrow(/some of the losses are sums and others means/)
  })

  it('says what is wrong with batches that are none', async () => {
    const go = (batches: unknown, loss: unknown = lossOf()): Promise<unknown> =>
      accumulate({ gradient: Gradient() }, batches as Sample[], { loss: loss as never, engine })
    await expect(go([])).rejects.toThrow(/there are no batches/)
    await expect(go(3)).rejects.toThrow(/an async iterator of batches, not number/)
    await expect(go(null)).rejects.toThrow(/not null/)
    await expect(go([{ inputs: new Float32Array(4), targets: y }])).rejects.toThrow(
      /batch 1 has a Float32Array at batch\.inputs; .* tensor\(\)/,
    )
    const endless: Record<string, unknown> = {}
    endless.self = endless
    await expect(go([endless])).rejects.toThrow(/contains itself/)
    await expect(go([{ inputs: x.mul(2), targets: y }])).rejects.toThrow(
      /is an expression \(mul\); pass data/,
    )
    await expect(go(await cut([7]), 'loss')).rejects.toThrow(/a function from a batch to its loss/)
    const [good, bad] = await cut([3, 4])
    const numbers = new Float32Array(16).fill(1)
    numbers[5] = NaN
    const nan = { ...bad!, inputs: tensor(numbers, { shape: [4, 4], dtype: 'float32' }) }
    await expect(go([good, nan])).rejects.toThrow(DataError)
    const other = Linear(4, 3, { seed: 5 })
    await expect(
      go([good, bad], ({ inputs, targets }: Sample) =>
        crossEntropy(inputs.shape[0] === 3 ? model(inputs) : other(inputs), targets),
      ),
    ).rejects.toThrow(
      /the loss of batch 2 depends on the parameters weight, bias, that of the first batch on 0\.weight/,
    )
    await expect(
      go([good, bad], (batch: Sample) => lossOf()(batch).mul(1 / batch.inputs.shape[0]!)),
    ).rejects.toThrow(/multiplied with 0\.25 instead of 0\.33/)
  })

  it('ends its source when a loss throws in the middle', async () => {
    let ended = false
    const all = await cut([3, 4])
    function* source(): Generator<Sample> {
      try {
        yield* all
      } finally {
        ended = true
      }
    }
    const loss = (batch: Sample): Tensor => {
      if (batch.inputs.shape[0] === 4) throw new Error('no such batch')
      return lossOf()(batch)
    }
    await expect(accumulate({ g: Gradient() }, source(), { loss, engine })).rejects.toThrow('no such batch')
    expect(ended).toBe(true)
  })

  it('stops when it is told to: before, between batches, and while a batch is waited for', async () => {
    const all = await cut([1, 1, 1, 1, 1, 1, 1])
    const loss = lossOf()
    const go = (
      batches: Iterable<Sample> | AsyncIterable<Sample>,
      signal: AbortSignal,
      done?: () => void,
    ): Promise<unknown> =>
      accumulate({ g: Gradient() }, batches, { loss, engine, signal, ...(done && { onProgress: done }) })
    await expect(go(all, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    const between = new AbortController()
    let runs = 0
    const stopped = go(all, between.signal, () => {
      if (++runs === 3) between.abort()
    })
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
    expect(runs).toBe(3)
    const waiting = new AbortController()
    async function* hangs(): AsyncGenerator<Sample> {
      yield all[0]!
      await new Promise(() => undefined)
    }
    const hung = go(hangs(), waiting.signal, () => setTimeout(() => waiting.abort(), 1))
    await expect(hung).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('notices that somebody trains meanwhile', async () => {
    const net = Linear(4, 3, { seed: 3 })
    const train = trainStep({
      model: net,
      loss: CrossEntropyLoss(),
      optimizer: SGD(net.parameters, { learningRate: 0.1 }),
      engine,
    })
    const batches = await cut([3, 4])
    async function* source(): AsyncGenerator<Sample> {
      yield batches[0]!
      await train(batches[0]!)
      yield batches[1]!
    }
    const loss = ({ inputs, targets }: Sample): Tensor => crossEntropy(net(inputs), targets)
    await expect(accumulate({ g: Gradient() }, source(), { loss, engine })).rejects.toMatchObject({
      code: 'stale-parameter',
    })
  })

  it('combines results of any form', async () => {
    const forms = defineExtension(
      {
        name: 'forms',
        flow: gradientFlow,
        parameter: () => undefined,
        degree: { most: 0, least: 0, count: 0, mean: 0, names: 0 },
        merge: { most: 'max', least: 'min', count: 'sum', mean: 'mean', names: 'concat' },
      },
      ({ context: { batchSize } }) => ({
        most: ones([1]).mul(batchSize),
        nested: [{ least: ones([1]).mul(batchSize) }] as const,
        count: cast(ones([2]).mul(batchSize), 'int32'),
        mean: ones([1]).mul(batchSize),
        names: cast(ones([batchSize]), 'int32'),
        text: 'kept',
      }),
    )
    const { results } = await accumulate({ forms }, await cut([2, 4, 1]), { loss: lossOf(), engine })
    const { most, nested, count, mean, names, text } = results.forms
    expect(
      [most, nested[0].least, count, mean, names].map(({ data: numbers }) => Array.from(numbers)),
    ).toEqual([[4], [1], [7, 7], [(4 + 16 + 1) / 7], [1, 1, 1, 1, 1, 1, 1]])
    expect(text).toBe('kept')
    expectTypeOf(results.forms.count).toEqualTypeOf<NDArray<'int32'>>()
  })

  it('has a merge for every quantity by name but those that relate samples of different batches', () => {
    const without = Object.entries(quantities)
      .filter(([, factory]) => factory()['~spec'].merge === undefined)
      .map(([name]) => name)
    expect(without).toEqual(['gradient-gram', 'kfra'])
  })
})
