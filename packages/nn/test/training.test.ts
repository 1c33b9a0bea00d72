/** @file What training does beyond computing: masks, running statistics, and that they belong to the step. */
import { mseLoss, type Module, type Parameter } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { evaluate, type NDArray, ones, referenceEngine, sub, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  Adam,
  BatchNorm1d,
  buffersOf,
  constantRate,
  defineModule,
  Dropout,
  Dropout2d,
  freeze,
  inEvaluation,
  Linear,
  linearWarmup,
  MSELoss,
  MultiheadAttention,
  Sequential,
  SGD,
  stateOf,
  Tanh,
  TransformerEncoderLayer,
  trainingPass,
  trainStep,
} from '../src/index.ts'
import { watchedEngine } from '@beyondgrad/testing'

const batch = {
  inputs: tensor([
    [1, 2],
    [-1, 0.5],
    [0.25, -2],
    [2, 1],
  ]),
  targets: tensor([[1], [0], [-1], [0.5]]),
}

const network = (): Module =>
  Sequential(Linear(2, 3, { seed: 1 }), BatchNorm1d(3), Tanh(), Linear(3, 1, { seed: 2 }))

const numbersOf = (model: Module, name: string): number[] => Array.from(stateOf(model)[name]!.data, Number)

describe('batch normalisation in a training step', () => {
  it('uses the statistics of the batch, and evaluation the running ones', async () => {
    const layer = BatchNorm1d(2)
    const [trained, evaluated] = await Promise.all([
      trainingPass().of(layer)(batch.inputs).read(),
      layer(batch.inputs).read(),
    ])
    const column = (values: NDArray, c: number): number[] =>
      Array.from(values.data).filter((_, i) => i % 2 === c)
    const mean = column(trained, 0).reduce((a, b) => a + b, 0)
    expect(mean).toBeCloseTo(0, 10)
    // At the start the running mean is 0 and the variance 1.
    expect(column(evaluated, 0)[0]).toBeCloseTo(1 / Math.sqrt(1 + 1e-5), 10)
  })

  it('writes running statistics with the update', async () => {
    const model = network()
    const train = trainStep({
      model,
      loss: MSELoss(),
      optimizer: SGD(model.parameters, { learningRate: 0.1 }),
    })
    await train(batch)
    await train(batch)
    expect(numbersOf(model, '1.num_batches_tracked')).toEqual([2])
    expect(numbersOf(model, '1.running_mean')).not.toEqual([0, 0, 0])
    expect(buffersOf(model).names).toEqual(['1.running_mean', '1.running_var', '1.num_batches_tracked'])
    expect(model.parameters.names).not.toContain('1.running_mean')
  })

  it('keeps them as they were when a step fails', async () => {
    const model = network()
    const engine = watchedEngine()
    const optimizer = Adam(model.parameters)
    const train = trainStep({ model, loss: MSELoss(), optimizer, engine })
    await train(batch)
    const before = stateOf({ model, optimizer })
    engine.failNext()
    await expect(train(batch)).rejects.toThrow()
    await expect(
      train({
        ...batch,
        inputs: tensor([
          [NaN, 1],
          [0, 1],
        ]),
        targets: tensor([[1], [0]]),
      }),
    ).rejects.toThrow('trainStep: the batch contains NaN')
    expect(stateOf({ model, optimizer })).toEqual(before)
    expect(optimizer.steps).toBe(1)
  })

  it('has the gradient that differences say', async () => {
    const model = network()
    const before = [...model.parameters].map(([, p]) => p)
    const lossAt = (): Promise<number> =>
      mseLoss(trainingPass().of(model)(batch.inputs), batch.targets).item()
    const slopes = new Map<string, number[]>()
    for (const p of before) {
      const start = Float64Array.from(p.cell.data as Float32Array)
      const at = async (i: number, by: number): Promise<number> => {
        p.set(start.map((x, j) => (i === j ? x + by : x)) as unknown as Float32Array<ArrayBuffer>)
        return lossAt()
      }
      const found: number[] = []
      for (let i = 0; i < start.length; i++) found.push(((await at(i, 1e-5)) - (await at(i, -1e-5))) / 2e-5)
      p.set(start as unknown as Float32Array<ArrayBuffer>)
      slopes.set(p.name, found)
    }
    const values = new Map(before.map((p) => [p.name, Array.from(p.cell.data, Number)]))
    const train = trainStep({ model, loss: MSELoss(), optimizer: SGD(model.parameters, { learningRate: 1 }) })
    await train(batch)
    for (const [name, found] of slopes) {
      numbersOf(model, name).forEach((now, i) => {
        expect(values.get(name)![i]! - now, name).toBeCloseTo(found[i]!, 6)
      })
    }
  })

  it('leaves a part that is told to evaluate as it is, and says what one sample lacks', async () => {
    const layer = BatchNorm1d(2)
    const pass = trainingPass()
    const same = await evaluate({ a: pass.of(inEvaluation(layer))(batch.inputs), b: layer(batch.inputs) })
    expect(same.a).toEqual(same.b)
    expect(pass.updates().writes).toEqual([])
    expect(() => pass.of(layer)(tensor([[1, 2]]))).toThrow(
      'BatchNorm1d: training needs more than one element a channel, got [1, 2]; use a larger batch, or inEvaluation()',
    )
    expect(() => layer(tensor([1, 2]))).toThrow('BatchNorm1d: expects [N, 2] or [N, 2, L], got [2]')
  })

  it('goes on from what an earlier use in the same pass has left', async () => {
    const [once, twice] = [BatchNorm1d(2), BatchNorm1d(2)]
    const pass = trainingPass()
    pass.of(twice)(batch.inputs)
    pass.of(twice)(batch.inputs)
    await evaluate(pass.updates())
    for (let i = 0; i < 2; i++) {
      const own = trainingPass()
      own.of(once)(batch.inputs)
      await evaluate(own.updates())
    }
    expect(stateOf(twice)).toEqual(stateOf(once))
  })

  it('is the same on another engine, in the mode of evaluation too', async () => {
    const run = async (mode: 'training' | 'evaluation', engine = referenceEngine()): Promise<number[]> => {
      const model = network()
      const optimizer = SGD(model.parameters, { learningRate: 0.1 })
      const train = trainStep({ model, loss: MSELoss(), optimizer, mode, engine })
      for (let i = 0; i < 3; i++) await train(batch)
      expect(numbersOf(model, '1.num_batches_tracked')).toEqual([mode === 'training' ? 3 : 0])
      return [...model.parameters.names, '1.running_var'].flatMap((name) => numbersOf(model, name))
    }
    const [training, evaluation] = [await run('training'), await run('evaluation')]
    expect(training).not.toEqual(evaluation)
    for (const [mode, expected] of [
      ['training', training],
      ['evaluation', evaluation],
    ] as const) {
      const found = await run(mode, onnxruntime())
      found.forEach((x, i) => {
        expect(x).toBeCloseTo(expected[i]!, 4)
      })
    }
  })
})

describe('dropout', () => {
  const x = ones([50, 40])

  it('drops its share in training, keeps the mean, and does nothing in evaluation', async () => {
    const layer = Dropout(0.25, { seed: 3 })
    expect(layer(x)).toBe(x)
    const { data } = await trainingPass().of(layer)(x).read()
    const dropped = data.filter((value) => value === 0).length / data.length
    expect(dropped).toBeGreaterThan(0.2)
    expect(dropped).toBeLessThan(0.3)
    expect([...new Set(Array.from(data, (value) => value.toFixed(6)))].sort()).toEqual([
      '0.000000',
      '1.333333',
    ])
  })

  it('draws another mask at every step and for every use, the same for the same seed and step', async () => {
    const train = (model: Module) => {
      const optimizer = SGD(model.parameters, { learningRate: 0 })
      return trainStep({ model, loss: MSELoss(), optimizer })
    }
    const model = (): Module =>
      Sequential(Linear(2, 50, { seed: 1 }), Dropout(0.5, { seed: 4 }), Linear(50, 1, { seed: 2 }))
    const losses = async (): Promise<number[]> => {
      const step = train(model())
      return [(await step(batch)).loss, (await step(batch)).loss]
    }
    const [first, second] = [await losses(), await losses()]
    expect(first).toEqual(second)
    expect(first[0]).not.toBe(first[1])
    const shared = Dropout(0.5, { seed: 4 })
    const pass = trainingPass()
    const { a, b, c } = await evaluate({
      a: pass.of(shared)(x),
      b: pass.of(shared)(x),
      c: trainingPass().of(shared)(x),
    })
    expect(a.data).not.toEqual(b.data)
    expect(a.data).toEqual(c.data)
  })

  it('drops the same for a sample whatever the batch, and whole channels if asked to', async () => {
    const layer = Dropout(0.5, { seed: 5 })
    const [all, few] = [
      await trainingPass().of(layer)(x).read(),
      await trainingPass()
        .of(layer)(ones([3, 40]))
        .read(),
    ]
    expect(Array.from(few.data)).toEqual(Array.from(all.data.slice(0, 120)))
    const { data } = await trainingPass()
      .of(Dropout2d(0.5, { seed: 5 }))(ones([4, 5, 2, 3]))
      .read()
    for (let channel = 0; channel < 20; channel++) {
      expect(new Set(data.slice(6 * channel, 6 * channel + 6)).size).toBe(1)
    }
    expect(() => Dropout(1.5)).toThrow('Dropout: p must be between 0 and 1, not 1.5')
    expect(() => trainingPass().of(Dropout2d())(x)).toThrow('expects an input with 4 axes, got [50, 40]')
  })

  it('drops everything for p = 1 and nothing for p = 0', async () => {
    expect(new Set((await trainingPass().of(Dropout(1))(x).read()).data)).toEqual(new Set([0]))
    expect(trainingPass().of(Dropout(0))(x)).toBe(x)
  })

  it('reaches layers inside of others', async () => {
    const inside = [
      defineModule({ drop: Dropout(0.5, { seed: 1 }) }, ({ drop }, h: Tensor) => drop(h)),
      Sequential(Sequential(Dropout(0.5, { seed: 1 }))),
      freeze(Sequential(Dropout(0.5, { seed: 1 }))),
    ]
    for (const module of inside) {
      const { data } = await trainingPass().of(module)(x).read()
      expect(new Set(data)).toEqual(new Set([0, 2]))
    }
    const y = tensor([
      [
        [1, 2],
        [0, 1],
        [2, -1],
      ],
    ])
    const attention = MultiheadAttention(2, 1, { dropout: 0.9, seed: 2 })
    const weights = await trainingPass().of(attention)(y)[1].read()
    expect(Array.from(weights.data)).toContain(0)
    const encoder = TransformerEncoderLayer(2, 1, { dimFeedforward: 4, seed: 1 })
    const difference = await sub(trainingPass().of(encoder)(y), encoder(y)).read()
    expect(difference.data.some((d) => d !== 0)).toBe(true)
  })
})

describe('learning rates', () => {
  const ends = async (rate: number | ((step: number) => number), steps = 3): Promise<unknown> => {
    const model = Linear(2, 1, { seed: 1 })
    const engine = watchedEngine()
    const optimizer = SGD(model.parameters, { learningRate: rate })
    const train = trainStep({ model, loss: MSELoss(), optimizer, engine })
    // Without waiting: each step has the rate that it was called with.
    await Promise.all(Array.from({ length: steps }, () => train(batch)))
    expect(engine.compiled).toBe(1)
    return stateOf(model)
  }

  it('come from a schedule without another trace', async () => {
    expect(await ends(constantRate(0.1))).toEqual(await ends(0.1))
    expect(await ends((step) => (step < 2 ? 0 : 0.1))).toEqual(await ends(0.1, 1))
    expect(await ends((step) => (step < 2 ? 0.1 : 0))).toEqual(await ends(0.1, 2))
    const warm = linearWarmup(1, { steps: 4 })
    expect([0, 1, 2, 4, 9].map(warm)).toEqual([0, 0.25, 0.5, 1, 1])
    expect(linearWarmup((step) => 1 / (step + 1), { steps: 2, start: 0.5 })(3)).toBe(0.5)
  })

  it('belong to the call, not to when it has its turn', async () => {
    const model = Linear(2, 1, { seed: 1 })
    const optimizer = SGD(model.parameters, { learningRate: 0.1 })
    const train = trainStep({ model, loss: MSELoss(), optimizer })
    const [first, second] = [train(batch), train(batch)]
    optimizer.learningRate = 0
    await Promise.all([first, second, train(batch)])
    expect(stateOf(model)).toEqual(await ends(0.1, 2))
  })

  it('that are a schedule are needed by an update of one’s own, and end when one is set', async () => {
    const model = Linear(2, 1, { seed: 1 })
    const optimizer = SGD(model.parameters, { learningRate: (step) => 1 / (step + 1) })
    const slopes = model.parameters.map((p: Parameter) => ones(p.shape))
    expect(() => optimizer.update(slopes)).toThrow('SGD: the learning rate is a schedule')
    await evaluate(optimizer.update(slopes, tensor(0.5)))
    expect(optimizer.learningRate).toBe(0.5)
    optimizer.learningRate = 0.25
    expect([optimizer.rateAt(0), optimizer.rateAt(7)]).toEqual([0.25, 0.25])
    expect(() => SGD(model.parameters, { learningRate: () => NaN })).toThrow('SGD: learningRate must be')
  })
})
