import { mseLoss, parameter, gradient } from '@beyondgrad/autograd'
import { evaluate, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  buffer,
  buffersOf,
  BatchNorm1d,
  defineModule,
  Dropout,
  freeze,
  Linear,
  MSELoss,
  outputOf,
  ReLU,
  RNN,
  Sequential,
  SGD,
  stateOf,
  trainingPass,
  trainStep,
} from '../src/index.ts'

const x = tensor([
  [1, -2],
  [0.5, 3],
])

const scalar = (value: number) => ({ shape: [], dtype: 'float32', data: Float32Array.of(value) }) as const

/** A module with a part of every kind. */
const everything = () =>
  defineModule(
    {
      layers: [Linear(2, 2, { seed: 1 }), Linear(2, 2, { seed: 2 })],
      norm: BatchNorm1d(2),
      heads: { first: Linear(2, 1, { seed: 3 }), second: Linear(2, 1, { seed: 4, bias: false }) },
      scale: parameter('any', scalar(2)),
      calls: buffer('any', scalar(0)),
    },
    ({ layers, norm, heads, scale, calls }, input: Tensor) => {
      expectTypeOf(scale).toEqualTypeOf<Tensor>()
      expectTypeOf(heads.first(input)).toEqualTypeOf<Tensor>()
      calls.update((calls.value as Tensor).add(1))
      const h = norm(layers.reduce((a, layer) => layer(a), input)).mul(scale)
      return [heads.first(h), heads.second(h)] as const
    },
  )

describe('defineModule', () => {
  it('names parameters and buffers after their places', () => {
    const model = everything()
    expect(model.parameters.names).toEqual([
      ...['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias', 'norm.weight', 'norm.bias'],
      ...['heads.first.weight', 'heads.first.bias', 'heads.second.weight', 'scale'],
    ])
    expect(buffersOf(model).names).toEqual([
      ...['norm.running_mean', 'norm.running_var', 'norm.num_batches_tracked', 'calls'],
    ])
    const outer = Sequential({ body: outputOf(model) })
    expect(outer.parameters.names[0]).toBe('body.layers.0.weight')
    expect(buffersOf(outer).names).toContain('body.calls')
    // The loss knows them by these names.
    expect(outer.parameters.get('body.scale').cell.name).toBe('body.scale')
  })

  it('has typed inputs and results', () => {
    const model = everything()
    expectTypeOf(model).parameters.toEqualTypeOf<[input: Tensor]>()
    expectTypeOf(model(x)).toEqualTypeOf<readonly [Tensor, Tensor]>()
  })

  it('computes with its parts in evaluation, and trains them in training', async () => {
    const model = outputOf(everything())
    await model(x).read()
    expect(Number(stateOf(model).calls!.data[0])).toBe(0)
    const pass = trainingPass()
    const output = pass.of(model)(x)
    pass.of(model)(x)
    await evaluate({ output, updates: pass.updates() })
    expect(Number(stateOf(model).calls!.data[0])).toBe(2)
    expect(Number(stateOf(model)['norm.num_batches_tracked']!.data[0])).toBe(2)
  })

  it('shares parts that it has twice', () => {
    const shared = Linear(2, 2, { seed: 1 })
    const model = defineModule({ a: shared, b: shared }, ({ a, b }, h: Tensor) => b(a(h)))
    expect(model.parameters.names).toEqual(['a.weight', 'a.bias'])
  })

  it('says which part is none', () => {
    const wrong = (part: unknown) => () => defineModule({ a: { b: part as never } }, (_, h: Tensor) => h)
    const sentence =
      'defineModule: part "a.b" is a function, not a module, parameter or buffer; call its factory'
    expect(wrong(ReLU)).toThrow(sentence)
    expect(wrong(3)).toThrow('part "a.b" is a number')
    expect(wrong(null)).toThrow('part "a.b" is null')
  })
})

describe('freeze', () => {
  it('keeps an optimiser from all, or from some', async () => {
    const body = Linear(2, 2, { seed: 1 })
    const model = Sequential({
      body: freeze(body),
      head: freeze(Linear(2, 1, { seed: 2 }), (n) => n === 'bias'),
    })
    const before = stateOf(model)
    const optimizer = SGD(model.parameters, { learningRate: 0.1, momentum: 0.9 })
    expect(optimizer.state.names).toEqual(['step', 'learning_rate', 'head.weight.momentum_buffer'])
    const train = trainStep({ model, loss: MSELoss(), optimizer })
    await train({ inputs: x, targets: tensor([[1], [2]]) })
    const after = stateOf(model)
    const changed = Object.keys(after).filter((name) => after[name]!.data !== before[name]!.data)
    expect(changed).toEqual(['head.weight'])
    // The layer itself is as it was: only the view is frozen.
    expect(body.parameters.get('weight').trainable).toBe(true)
  })
})

describe('outputOf', () => {
  it('is a layer for Sequential, in training too', async () => {
    const rnn = RNN(2, 3, { seed: 1, numLayers: 2, dropout: 0.5 })
    const model = Sequential(outputOf(rnn), Dropout(0))
    expect(model.parameters.names[0]).toBe('0.weight_ih_l0')
    const sequence = tensor([
      [
        [1, 2],
        [3, 4],
      ],
    ])
    const { a, b, c } = await evaluate({
      a: model(sequence),
      b: rnn(sequence)[0],
      c: trainingPass().of(model)(sequence),
    })
    expect(a).toEqual(b)
    expect(c.data).not.toEqual(b.data)
    const loss = mseLoss(
      model(sequence),
      tensor([
        [
          [0, 0, 0],
          [0, 0, 0],
        ],
      ]),
    )
    const weight = model.parameters.get('0.weight_hh_l1').value
    expect(gradient(loss, [weight])[0]!.shape).toEqual([3, 3])
  })
})
