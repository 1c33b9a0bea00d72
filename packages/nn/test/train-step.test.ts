import {
  type Batch,
  defineExtension,
  type Extension,
  type Extensions,
  ggnFlow,
  gradientFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { DataError, intTensor, namedMap, type NDArray, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  CrossEntropyLoss,
  Linear,
  MSELoss,
  type Observer,
  Sequential,
  SGD,
  Tanh,
  trainStep,
} from '../src/index.ts'
import { watchedEngine } from '@beyondgrad/testing'

const batch = (k: number): Batch => ({
  inputs: tensor([
    [1, k, -1],
    [0.5, -k, 2],
  ]),
  targets: intTensor([k % 2, 1]),
})

const norms: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'norms',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.squaredNorm(),
})

const drawn: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'drawn',
  flow: ggnFlow({ samples: 1 }),
  parameter: ({ contribution }) => contribution.sumOfSquares(),
})

function training(
  options: { readonly observers?: readonly Observer[]; readonly learningRate?: number } = {},
) {
  const engine = watchedEngine()
  const model = Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 2, { seed: 2 }))
  const optimizer = SGD(model.parameters, { learningRate: options.learningRate ?? 0.1, momentum: 0.9 })
  const train = trainStep({
    model,
    loss: CrossEntropyLoss(),
    optimizer,
    extensions: { norms, drawn },
    engine,
    ...(options.observers ? { observers: options.observers } : {}),
  })
  const weights = (): number[] =>
    [...model.parameters].flatMap(([, p]) => Array.from(p.cell.data as Float32Array))
  return { engine, model, optimizer, train, weights }
}

describe('trainStep', () => {
  it('returns the loss before the update, its own count, and its extensions under their keys', async () => {
    const { train, model } = training()
    const first = await train(batch(1))
    expect(first.step).toBe(0)
    expect(first.norms.get('0.weight').shape).toEqual([2])
    expect(first.norms.names).toEqual(model.parameters.names)
    const second = await train(batch(1))
    expect(second.step).toBe(1)
    expect(second.loss).toBeLessThan(first.loss)
  })

  it('changes the learning rate without another trace', async () => {
    const { train, optimizer, engine, weights } = training()
    await train(batch(1))
    const [compiled, before] = [engine.compiled, weights()]
    optimizer.learningRate = 0
    await train(batch(1))
    expect(weights()).toEqual(before)
    optimizer.learningRate = 0.5
    await train(batch(1))
    expect(weights()).not.toEqual(before)
    expect(engine.compiled).toBe(compiled)
  })

  it('traces once for each shape of a batch', async () => {
    const { train, engine } = training()
    const small: Batch = { inputs: tensor([[1, 2, 3]]), targets: intTensor([0]) }
    for (const each of [batch(1), batch(2), small, batch(3), small]) await train(each)
    expect(engine.compiled).toBe(2)
    expect(engine.runs).toBe(5)
  })

  it('runs steps in order that are called without waiting, each with its own random draws', async () => {
    const [waiting, eager] = [training(), training()]
    const expected = []
    for (const k of [1, 2, 3, 4]) expected.push(await waiting.train(batch(k)))
    const found = await Promise.all([1, 2, 3, 4].map((k) => eager.train(batch(k))))
    expect(found.map(({ step }) => step)).toEqual([0, 1, 2, 3])
    expect(found.map(({ loss }) => loss)).toEqual(expected.map(({ loss }) => loss))
    expect(eager.weights()).toEqual(waiting.weights())
    const draws = (steps: typeof found): number[][] =>
      steps.map((s) => Array.from(s.drawn.get('0.weight').data))
    expect(draws(found)).toEqual(draws(expected))
  })

  it('draws anew at every step', async () => {
    const { train, optimizer } = training()
    optimizer.learningRate = 0
    const [a, b] = [await train(batch(1)), await train(batch(1))]
    expect(a.norms.get('0.weight').data).toEqual(b.norms.get('0.weight').data)
    expect(a.drawn.get('0.weight').data).not.toEqual(b.drawn.get('0.weight').data)
  })

  it('shows observers what they ask for, when they ask for it, in order', async () => {
    const seen: (readonly [number, readonly string[], number])[] = []
    const everyOther: Observer = {
      extensionsAt: (step): Extensions => (step % 2 === 0 ? { watched: norms } : {}),
      record: (step, results) => {
        const values = results.watched as ParameterMap<NDArray> | undefined
        seen.push([step, Object.keys(results), values === undefined ? 0 : values.get('2.bias').data.length])
      },
    }
    const { train, engine } = training({ observers: [everyOther] })
    for (const k of [1, 2, 3, 4]) await train(batch(k))
    expect(seen).toEqual([
      [0, ['loss', 'watched'], 2],
      [1, ['loss'], 0],
      [2, ['loss', 'watched'], 2],
      [3, ['loss'], 0],
    ])
    // One kind of step with the observer's wish, one without.
    expect(engine.compiled).toBe(2)
  })

  it('waits for observers, and two of them may use the same key', async () => {
    const order: string[] = []
    const slow = (name: string): Observer => ({
      extensionsAt: () => ({ same: norms }),
      record: async (_step, results) => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        order.push(`${name} ${Object.keys(results).join(' ')}`)
      },
    })
    const { train } = training({ observers: [slow('a'), slow('b')] })
    await train(batch(1))
    expect(order).toEqual(['a loss same', 'b loss same'])
  })

  it('changes nothing when it is cancelled before, while it waits or while it runs, and others go on', async () => {
    const [{ train, weights, engine }, undisturbed] = [training(), training()]
    await expect(train(batch(1), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(engine.runs).toBe(0)
    const start = weights()
    // This one is cancelled during its run, which the engine ends all the same.
    const during = new AbortController()
    engine.onceRun(() => during.abort())
    await expect(train(batch(1), { signal: during.signal })).rejects.toMatchObject({ code: 'cancelled' })
    expect(weights()).toEqual(start)
    // Three in a row: the one in the middle is cancelled while it waits, and rejects before the first is done.
    const order: string[] = []
    const waiting = new AbortController()
    const first = train(batch(1)).then(() => order.push('first'))
    const middle = train(batch(2), { signal: waiting.signal }).catch((error: unknown) => {
      order.push((error as { code: string }).code)
    })
    const last = train(batch(3)).then(() => order.push('last'))
    waiting.abort()
    await Promise.all([first, middle, last])
    expect(order).toEqual(['cancelled', 'first', 'last'])
    await undisturbed.train(batch(1))
    await undisturbed.train(batch(3))
    expect(weights()).toEqual(undisturbed.weights())
  })

  it('changes nothing when a run fails, and goes on afterwards', async () => {
    const { train, engine, weights } = training()
    await train(batch(1))
    const before = weights()
    engine.failNext()
    const [failed, after] = await Promise.allSettled([train(batch(2)), train(batch(2))])
    expect(failed).toMatchObject({ status: 'rejected', reason: new Error('out of order') })
    expect(after.status).toBe('fulfilled')
    const reference = training()
    await reference.train(batch(1))
    expect(reference.weights()).toEqual(before)
    await reference.train(batch(2))
    expect(weights()).toEqual(reference.weights())
  })

  it('gives the optimiser what is made of the extensions’ results', async () => {
    const train = async (k: number): Promise<readonly { moved: number; gradient: number }[]> => {
      const model = Linear(3, 2, { seed: 1 })
      const before = [...model.parameters].map(([p]) => p.cell.data)
      const doubled = defineExtension({
        name: 'scaled',
        flow: gradientFlow,
        parameter: ({ contribution }) => ({ gradient: contribution.sum().mul(k) }),
      })
      const step = trainStep({
        model,
        loss: CrossEntropyLoss(),
        optimizer: SGD(model.parameters, { learningRate: 0.5 }),
        extensions: { doubled },
        gradient: (results) =>
          namedMap([...results.doubled].map(([p, { gradient }]) => [p, gradient] as const)),
      })
      const { doubled: own } = await step(batch(1))
      return [...model.parameters].flatMap(([p], i) =>
        [...before[i]!].map((old, j) => ({
          moved: Number(p.cell.data[j]) - Number(old),
          gradient: own.get(p).gradient.data[j]!,
        })),
      )
    }
    for (const k of [1, 3]) {
      for (const { moved, gradient } of await train(k)) expect(moved).toBeCloseTo(-0.5 * gradient, 6)
    }
  })

  it('keeps its own keys for itself', () => {
    const model = Linear(3, 2)
    const spec = { model, loss: CrossEntropyLoss(), optimizer: SGD(model.parameters, { learningRate: 1 }) }
    expect(() => trainStep({ ...spec, extensions: { loss: norms } })).toThrow(
      'trainStep: "loss" is taken; call the extension otherwise',
    )
  })

  it('stops at a NaN in the batch before anything is changed', async () => {
    const { train, weights } = training()
    const before = weights()
    const bad: Batch = { inputs: tensor([[1, NaN, 0]]), targets: intTensor([1]) }
    await expect(train(bad)).rejects.toThrow(DataError)
    await expect(train(bad)).rejects.toThrow(/contains NaN at \[0, 1\] \(shape \[1, 3\]\)/)
    expect(weights()).toEqual(before)
  })

  it('trains: the loss of a batch that it sees again and again goes to nothing', async () => {
    const { train } = training({ learningRate: 0.3 })
    let loss = Infinity
    for (let step = 0; step < 60; step++) loss = (await train(batch(1))).loss
    expect(loss).toBeLessThan(0.01)
  })
})

describe('what is not finite in a batch', () => {
  it.each([
    ['inputs', [[1, Infinity]], [[0]], 'trainStep: the batch contains Infinity at [0, 1]'],
    ['targets', [[1, 2]], [[-Infinity]], 'trainStep: the target contains -Infinity at [0, 0]'],
  ] as const)('is reported before it reaches a parameter: %s', async (_what, inputs, targets, sentence) => {
    const model = Linear(2, 1, { seed: 1 })
    const before = model.parameters.get('weight').cell.data
    const train = trainStep({ model, loss: MSELoss(), optimizer: SGD(model.parameters, { learningRate: 1 }) })
    const failure = await train({ inputs: tensor(inputs), targets: tensor(targets) }).catch((e: unknown) => e)
    expect(failure).toBeInstanceOf(DataError)
    expect((failure as DataError).message).toContain(sentence)
    expect(model.parameters.get('weight').cell.data).toBe(before)
  })
})
