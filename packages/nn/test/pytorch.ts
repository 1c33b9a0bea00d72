/** @file Reads fixtures/pytorch-layers.json: layers and optimisers with what PyTorch makes of them. */
import type { Module } from '@beyondgrad/autograd'
import { type AnyTensor, type DType, type NDArray, type Shape, tensor } from '@beyondgrad/tensor'
import { readFileSync } from 'node:fs'
import * as nn from '../src/index.ts'

export interface Values {
  readonly shape: Shape
  readonly dtype?: 'int32' | 'bool'
  readonly data: readonly number[]
}

export interface LayerCase {
  readonly layer: string
  readonly args: readonly unknown[]
  readonly options?: Readonly<Record<string, unknown>>
  readonly training?: true
  readonly state?: Readonly<Record<string, Values>>
  readonly inputs: readonly Values[]
  readonly masks?: Readonly<Record<string, Values | boolean>>
  readonly outputs: readonly Values[]
  /** The state after a step of training. */
  readonly after?: Readonly<Record<string, Values>>
}

export interface OptimizerCase {
  readonly optimizer: 'SGD' | 'Adam' | 'AdamW' | 'RMSprop'
  readonly options: Readonly<Record<string, never>>
  /** Of a parameter "weight" and a parameter "bias", step by step. */
  readonly gradients: readonly Readonly<Record<'weight' | 'bias', Values>>[]
  readonly weight: Values
  readonly bias: Values
}

export const fixture = JSON.parse(
  readFileSync(new URL('../../../fixtures/pytorch-layers.json', import.meta.url), 'utf8'),
) as {
  readonly layers: readonly LayerCase[]
  readonly optimizers: readonly OptimizerCase[]
  readonly schedules: readonly { readonly schedule: string; readonly rates: readonly number[] }[]
}

export function arrayOf({ shape, dtype, data }: Values): NDArray<DType> {
  if (dtype === 'int32') return { shape, dtype, data: Int32Array.from(data) }
  if (dtype === 'bool') return { shape, dtype, data: Uint8Array.from(data) }
  // Double precision in the engine's float, as the reference engine has it.
  return { shape, dtype: 'float32', data: Float64Array.from(data) }
}

export const tensorOf = (values: Values): AnyTensor => tensor(arrayOf(values) as NDArray)

/** The layer of a case, with its state loaded by name. */
export function layerOf({ layer, args, options, state }: LayerCase): Module<AnyTensor[], unknown> {
  const factory = nn[layer as keyof typeof nn] as unknown as (
    ...args: unknown[]
  ) => Module<AnyTensor[], unknown>
  const module = factory(...args, ...(options ? [options] : []))
  const saved = Object.entries(state ?? {}).map(([name, values]) => [name, arrayOf(values)] as const)
  nn.loadState(module, Object.fromEntries(saved))
  return module
}

/** What a layer is called with. */
export function inputsOf({ layer, inputs, masks }: LayerCase): unknown[] {
  const tensors = inputs.map(tensorOf)
  const given = Object.entries(masks ?? {}).map(([name, value]) => [
    name,
    typeof value === 'object' ? tensorOf(value) : value,
  ])
  const last = Object.fromEntries(given) as nn.AttentionMasks
  if (layer === 'MultiheadAttention') return [tensors[0], tensors[1], tensors[2], last]
  if (layer === 'TransformerEncoderLayer') return [tensors[0], last]
  if (layer === 'LSTM' && tensors.length > 1) return [tensors[0], tensors.slice(1)]
  return tensors
}
