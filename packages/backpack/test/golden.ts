/** @file Reads the reference values under fixtures/goldens and rebuilds their networks. */
import {
  bceWithLogits,
  crossEntropy,
  type Module,
  mseLoss,
  type Parameter,
  type Reduction,
} from '@beyondgrad/autograd'
import {
  AvgPool2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  moduleOf,
  ReLU,
  Sequential,
  Sigmoid,
  Tanh,
} from '@beyondgrad/nn'
import {
  abs,
  add,
  exp,
  greater,
  log,
  minimum,
  mul,
  neg,
  pad,
  relu,
  tensor,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Layer {
  readonly name: string
  readonly type: string
  readonly [option: string]: unknown
}

export interface Golden {
  readonly model: readonly Layer[]
  readonly loss: { readonly type: string; readonly reduction: Reduction }
  readonly parameters: Readonly<Record<string, Values>>
  readonly input: Values
  readonly target: Values & { readonly dtype?: string }
  readonly loss_value: number
  /** The vectors that matrices are multiplied with. */
  readonly aux: { readonly vp_vector: Readonly<Record<string, Values>> }
  readonly quantities: Readonly<Record<string, Readonly<Record<string, Values>>>>
}

const root = fileURLToPath(new URL('../../../fixtures/goldens/', import.meta.url))

export function goldenCases(...groups: readonly string[]): string[] {
  return groups.flatMap((group) => readdirSync(root + group).map((name) => `${group}/${name}`))
}

export function readGolden(name: string): Golden {
  return JSON.parse(readFileSync(`${root}${name}/golden.json`, 'utf8')) as Golden
}

export const toTensor = ({ shape, data }: Values): Tensor =>
  tensor(Float32Array.from(data), { shape, dtype: 'float32' })

/** log(1 + e^x), for layers that are not in nn yet. */
const softplus = (x: Tensor): Tensor => add(relu(x), log(exp(neg(abs(x))).add(1)))

const elu =
  (alpha: number, scale = 1) =>
  (x: Tensor): Tensor =>
    mul(where(greater(x, 0), x, mul(exp(minimum(x, 0)).sub(1), alpha)), scale)

function layerOf(layer: Layer): Module {
  const option = <T>(name: string): T => layer[name] as T
  switch (layer.type) {
    case 'Linear':
      return Linear(option('in_features'), option('out_features'), { bias: option('bias') })
    case 'Conv2d':
      return Conv2d(option('in_channels'), option('out_channels'), option('kernel_size'), {
        stride: option('stride'),
        padding: option('padding'),
        dilation: option('dilation'),
        groups: option('groups'),
        bias: option('bias'),
      })
    case 'MaxPool2d':
      return MaxPool2d(option('kernel_size'), {
        stride: option('stride'),
        padding: option('padding'),
        dilation: option('dilation'),
      })
    case 'AvgPool2d':
      return AvgPool2d(option('kernel_size'), { stride: option('stride'), padding: option('padding') })
    case 'AdaptiveAvgPool2d': {
      // Output sizes in the fixtures divide the inputs'.
      const [height, width] = option<[number, number]>('output_size')
      return moduleOf((x) => AvgPool2d([x.shape[2]! / height, x.shape[3]! / width])(x))
    }
    case 'ZeroPad2d': {
      const [left, right, top, bottom] = option<[number, number, number, number]>('padding')
      return moduleOf((x) => pad(x, [0, 0, top, left], [0, 0, bottom, right]))
    }
    case 'Flatten':
      return Flatten(option('start_dim'))
    case 'ReLU':
      return ReLU()
    case 'Sigmoid':
      return Sigmoid()
    case 'Tanh':
      return Tanh()
    case 'ELU':
      return moduleOf(elu(option('alpha')))
    case 'SELU':
      return moduleOf(elu(1.6732632423543772, 1.0507009873554805))
    case 'LeakyReLU':
      return moduleOf((x) => where(greater(x, 0), x, mul(x, option<number>('negative_slope'))))
    case 'LogSigmoid':
      return moduleOf((x) => neg(softplus(neg(x))))
    case 'ScaleModule':
      return moduleOf((x) => mul(x, option<number>('weight')))
    case 'Dropout': // in evaluation mode
    case 'Identity':
      return moduleOf((x) => x)
    default:
      throw new Error(`the fixtures' layer ${layer.type} is not known here`)
  }
}

export function modelOf(golden: Golden): Module {
  const model = Sequential(Object.fromEntries(golden.model.map((layer) => [layer.name, layerOf(layer)])))
  for (const [, parameter] of model.parameters) load(parameter, golden.parameters[parameter.name]!)
  return model
}

function load(parameter: Parameter, values: Values): void {
  parameter.set(Float32Array.from(values.data))
}

export function lossOf(golden: Golden, model: Module): Tensor {
  const output = model(toTensor(golden.input))
  const { reduction } = golden.loss
  switch (golden.loss.type) {
    case 'CrossEntropyLoss': {
      const labels = tensor(Int32Array.from(golden.target.data), {
        shape: golden.target.shape,
        dtype: 'int32',
      })
      return crossEntropy(output, labels, { reduction })
    }
    case 'MSELoss':
      return mseLoss(output, toTensor(golden.target), { reduction })
    case 'BCEWithLogitsLoss':
      return bceWithLogits(output, toTensor(golden.target), { reduction })
    default:
      throw new Error(`the fixtures' loss ${golden.loss.type} is not known here`)
  }
}
