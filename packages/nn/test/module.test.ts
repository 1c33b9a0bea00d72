import { parameter } from '@beyondgrad/autograd'
import { matmul, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { Linear, moduleOf, qualified, ReLU, Sequential } from '../src/index.ts'

const x = tensor([[1, -2]])

describe('Sequential', () => {
  it('names parameters after the position of their layer, or after its key', () => {
    expect(Sequential(Linear(2, 3), ReLU(), Linear(3, 1)).parameters.names).toEqual([
      '0.weight',
      '0.bias',
      '2.weight',
      '2.bias',
    ])
    expect(Sequential({ body: Linear(2, 3), head: Linear(3, 1, { bias: false }) }).parameters.names).toEqual([
      'body.weight',
      'body.bias',
      'head.weight',
    ])
  })

  it('names inner containers inside of outer ones', () => {
    const inner = Sequential(Linear(2, 2), ReLU())
    expect(Sequential(inner, Linear(2, 1)).parameters.names).toEqual([
      '0.0.weight',
      '0.0.bias',
      '1.weight',
      '1.bias',
    ])
  })

  it('keeps a layer that it contains twice under its first name', async () => {
    const shared = Linear(2, 2, { seed: 1 })
    const model = Sequential(shared, ReLU(), shared)
    expect(model.parameters.names).toEqual(['0.weight', '0.bias'])
    const [once, twice] = [await model(x).read(), await shared(ReLU()(shared(x))).read()]
    expect(once.data).toEqual(twice.data)
  })

  it('without layers is the identity', () => {
    expect(Sequential()(x)).toBe(x)
  })

  it('says which layer is not one: a factory that was not called, a number, nothing', () => {
    const wrong = (layer: unknown) => () => Sequential(Linear(2, 2), layer as never)
    const sentence = 'Sequential: layer 1 is not a module; call its factory, as in ReLU()'
    expect(wrong(ReLU)).toThrow(sentence)
    expect(wrong(3)).toThrow(sentence)
    expect(wrong(undefined)).toThrow(sentence)
    expect(() => Sequential({ body: ReLU as never })).toThrow('Sequential: layer body is not a module')
  })
})

describe('modules of one’s own', () => {
  it('are functions with parameters, and fit beside the others', () => {
    const w = parameter('w', { shape: [2, 2], dtype: 'float32', data: Float32Array.of(1, 2, 3, 4) })
    const own = moduleOf((a: Tensor) => matmul(a, w.value), [w])
    const model = Sequential({ own, out: Linear(2, 1) })
    expect(model.parameters.names).toEqual(['own.w', 'out.weight', 'out.bias'])
    expect(model(x).shape).toEqual([1, 1])
  })

  it('can’t have two parameters of one name', () => {
    expect(() =>
      moduleOf(
        (a) => a,
        [...Linear(2, 2).parameters, ...Linear(2, 2).parameters].map(([, p]) => p),
      ),
    ).toThrow('two entries are called "weight"; names must differ')
    const both = qualified([
      ['a', Linear(2, 2)],
      ['b', Linear(2, 2)],
    ])
    expect(both.names).toEqual(['a.weight', 'a.bias', 'b.weight', 'b.bias'])
  })

  it('find parameters by name or by themselves, and list the names on a miss', () => {
    const model = Sequential(Linear(2, 2), ReLU())
    const weight = model.parameters.get('0.weight')
    expect(model.parameters.get(weight)).toBe(weight)
    expect(model.parameters.get(weight.as({ name: 'something else' }))).toBe(weight)
    expect(() => model.parameters.get('weight')).toThrow(
      'there is no "weight" here; there are: 0.weight, 0.bias',
    )
  })
})
