/** @file The layers of the reference values' networks as layers of `nn`. */
import type { Module } from '@beyondgrad/autograd'
import {
  AdaptiveAvgPool2d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  BatchNorm1d,
  BatchNorm2d,
  ConstantPad1d,
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  Dropout,
  ELU,
  Embedding,
  Flatten,
  GELU,
  Identity,
  LayerNorm,
  LeakyReLU,
  Linear,
  LogSigmoid,
  LSTM,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  moduleOf,
  outputOf,
  Permute,
  type PerAxis,
  ReLU,
  RNN,
  SELU,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Tanh,
  ZeroPad2d,
} from '@beyondgrad/nn'
import { mul } from '@beyondgrad/tensor'

/** A layer as the files describe it. */
export interface Layer {
  readonly name: string
  readonly type: string
  readonly inputs?: readonly string[]
  /** The earlier layer whose parameters are used again. */
  readonly module?: string
  readonly [option: string]: unknown
}

const convolutions = { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d }
const maxPools = { MaxPool1d, MaxPool2d, MaxPool3d }
const avgPools = { AvgPool1d, AvgPool2d, AvgPool3d }
const batchNorms = { BatchNorm1d, BatchNorm2d }

const isOf = <T extends object>(table: T, type: string): type is Extract<keyof T, string> =>
  Object.hasOwn(table, type)

/** The layer with its initial numbers; undefined for what takes several inputs, or is none. */
export function layerOf(layer: Layer): Module | undefined {
  const option = <T>(name: string): T => layer[name] as T
  const { type } = layer
  const window = () => ({
    stride: option<PerAxis>('stride'),
    padding: option<PerAxis>('padding'),
    ...(layer.dilation !== undefined && { dilation: option<PerAxis>('dilation') }),
  })
  if (isOf(convolutions, type)) {
    const { stride, padding, dilation } = window()
    return convolutions[type](option('in_channels'), option('out_channels'), option('kernel_size'), {
      stride,
      padding,
      ...(dilation !== undefined && { dilation }),
      groups: option('groups'),
      bias: option('bias'),
      ...(type.startsWith('ConvTranspose') && { outputPadding: option<PerAxis>('output_padding') }),
    })
  }
  if (isOf(maxPools, type)) {
    return maxPools[type](option('kernel_size'), { ...window(), ceilMode: option('ceil_mode') })
  }
  if (isOf(avgPools, type)) {
    const { stride, padding } = window()
    return avgPools[type](option('kernel_size'), {
      stride,
      padding,
      ceilMode: option('ceil_mode'),
      countIncludePad: option('count_include_pad'),
    })
  }
  if (isOf(batchNorms, type)) return batchNorms[type](option('num_features'), { eps: option('eps') })
  switch (type) {
    case 'Linear':
      return Linear(option('in_features'), option('out_features'), { bias: option('bias') })
    case 'Embedding':
      return Embedding(option('num_embeddings'), option('embedding_dim')) as unknown as Module
    case 'LayerNorm':
      return LayerNorm(option<number[]>('normalized_shape'), { eps: option('eps'), bias: option('bias') })
    case 'RNN':
      return outputOf(RNN(option('input_size'), option('hidden_size')))
    case 'LSTM':
      return outputOf(LSTM(option('input_size'), option('hidden_size')))
    case 'AdaptiveAvgPool2d':
      return AdaptiveAvgPool2d(option<PerAxis>('output_size'))
    case 'ZeroPad2d':
      return ZeroPad2d(option<number[]>('padding'))
    case 'Pad':
      return ConstantPad1d(option<number[]>('pad'), option('value'))
    case 'Flatten':
      return Flatten(option('start_dim'))
    case 'Permute':
      return Permute(option('dims'))
    case 'Softmax':
      return Softmax(option('dim'))
    case 'ReLU':
      return ReLU()
    case 'Sigmoid':
      return Sigmoid()
    case 'Tanh':
      return Tanh()
    case 'ELU':
      return ELU(option('alpha'))
    case 'SELU':
      return SELU()
    case 'GELU':
      return GELU({ approximate: option('approximate') })
    case 'SiLU':
      return SiLU()
    case 'Softplus':
      return Softplus(option('beta'))
    case 'LeakyReLU':
      return LeakyReLU(option('negative_slope'))
    case 'LogSigmoid':
      return LogSigmoid()
    case 'ScaleModule':
      return moduleOf((x) => mul(x, option<number>('weight')))
    case 'Scale':
      return moduleOf((x) => mul(x, option<number>('value')))
    case 'Dropout':
      return Dropout()
    // Recurrent layers give their output alone here.
    case 'ReduceTuple':
    case 'Identity':
      return Identity()
    default:
      return undefined
  }
}
