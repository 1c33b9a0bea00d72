/** @file Networks: gradients against PyTorch's (fixtures/goldens). */
import { backward, defineExtension, gradientFlow, type Module } from '@beyondgrad/autograd'
import {
  Conv2d,
  CrossEntropyLoss,
  Flatten,
  Linear,
  MaxPool2d,
  MSELoss,
  ReLU,
  Sequential,
  Sigmoid,
  Tanh,
} from '@beyondgrad/nn'
import { evaluate, tensor, type Tensor } from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { backends } from './backends.ts'

interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Golden {
  readonly model: readonly Record<string, unknown>[]
  readonly loss: { readonly type: string; readonly reduction: 'mean' | 'sum' }
  readonly parameters: Readonly<Record<string, Values>>
  readonly input: Values
  readonly target: Values
  readonly loss_value: number
  readonly quantities: { readonly grad: Readonly<Record<string, Values>> }
}

const cases = [
  'logreg/ce_sum',
  'logreg/linreg_mse_mean',
  'mlp/relu_ce_mean',
  'mlp/sigmoid_ce_mean',
  'mlp/tanh_ce_mean',
  'mlp/deep_mse_sum',
  'conv/conv2d_maxpool',
  'conv/conv2d_maxpool_overlap',
  'conv/conv2d_stride_dil_groups',
]

function layerOf(layer: Readonly<Record<string, unknown>>): Module {
  const option = <T>(name: string): T => layer[name] as T
  const { type } = layer
  if (type === 'Linear') {
    return Linear(option('in_features'), option('out_features'), { bias: option('bias') })
  }
  if (type === 'Conv2d') {
    const [stride, padding] = [option<number[]>('stride'), option<number[]>('padding')]
    const [dilation, groups] = [option<number[]>('dilation'), option<number>('groups')]
    const options = { stride, padding, dilation, groups, bias: option<boolean>('bias') }
    return Conv2d(option('in_channels'), option('out_channels'), option('kernel_size'), options)
  }
  if (type === 'MaxPool2d') {
    const [stride, padding] = [option<number[]>('stride'), option<number[]>('padding')]
    return MaxPool2d(option('kernel_size'), { stride, padding, dilation: option<number[]>('dilation') })
  }
  const simple: Record<string, () => Module> = { Flatten, ReLU, Sigmoid, Tanh }
  const factory = simple[type as string]
  if (factory === undefined) throw new Error(`the fixtures' layer ${String(type)} is not known here`)
  return factory()
}

const gradient = defineExtension({
  name: 'gradient',
  flow: gradientFlow,
  merge: 'sum',
  parameter: ({ contribution }) => contribution.sum(),
})

const floats = ({ shape, data }: Values): Tensor =>
  tensor(Float32Array.from(data), { shape, dtype: 'float32' })

function lossOf(golden: Golden, model: Module): Tensor {
  const output = model(floats(golden.input))
  const { type, reduction } = golden.loss
  if (type === 'MSELoss') return MSELoss({ reduction })(output, floats(golden.target))
  const { shape, data } = golden.target
  const labels = tensor(Int32Array.from(data), { shape, dtype: 'int32' })
  return CrossEntropyLoss({ reduction })(output, labels)
}

describe.each(backends)('networks on $name', ({ engine }) => {
  it.each(cases)('the gradient of %s', async (name) => {
    const file = new URL(`../../../fixtures/goldens/${name}/golden.json`, import.meta.url)
    const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden
    const model = Sequential(
      Object.fromEntries(golden.model.map((layer) => [layer.name as string, layerOf(layer)])),
    )
    for (const [, parameter] of model.parameters) {
      parameter.set(Float32Array.from(golden.parameters[parameter.name]!.data))
    }
    const loss = lossOf(golden, model)
    const found = await evaluate({ loss, ...backward(loss, { gradient }) }, { engine })
    expect(Math.abs(found.loss.data[0]! - golden.loss_value)).toBeLessThan(1e-4 * Math.abs(golden.loss_value))
    for (const [parameter, { data }] of found.gradient) {
      const expected = golden.quantities.grad[parameter.name]!.data
      const scale = Math.max(...expected.map(Math.abs))
      expected.forEach((value, i) => {
        expect(Math.abs(data[i]! - value)).toBeLessThanOrEqual(1e-3 * Math.abs(value) + 1e-4 * scale)
      })
    }
  })
})
