/** @file Reads the reference values under fixtures/goldens and rebuilds their networks. */
import { bceWithLogits, crossEntropy, type Module, mseLoss, type Reduction } from '@beyondgrad/autograd'
import { loadState, Sequential, type State } from '@beyondgrad/nn'
import { tensor, type Tensor } from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Layer, layerOf } from './golden-layers.ts'

export interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

export interface Golden {
  readonly model: readonly Layer[]
  readonly loss: { readonly type: string; readonly reduction: Reduction }
  readonly parameters: Readonly<Record<string, Values>>
  readonly input: Values & { readonly dtype?: string }
  readonly target: Values & { readonly dtype?: string }
  readonly loss_value: number
  /** The vectors that matrices are multiplied with. */
  readonly aux: {
    readonly vp_vector: Readonly<Record<string, Values>>
    readonly mp_matrix: Readonly<Record<string, Values>>
  }
  readonly quantities: Readonly<Record<string, Readonly<Record<string, Values>>>>
  /** Why BackPACK gives no value, or a wrong one, by quantity. */
  readonly unsupported_by_backpack?: Readonly<Record<string, string>>
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

/** Arrays as `loadState` takes them. */
export const arraysOf = (values: Readonly<Record<string, Values>>): State =>
  Object.fromEntries(
    Object.entries(values).map(([name, { shape, data }]) => [
      name,
      { shape, dtype: 'float32', data: Float32Array.from(data) },
    ]),
  )

export function modelOf(golden: Golden): Module {
  const layers = golden.model.map((layer) => {
    const module = layerOf(layer)
    if (module === undefined) throw new Error(`the fixtures' layer ${layer.type} is not known here`)
    return [layer.name, module] as const
  })
  const model = Sequential(Object.fromEntries(layers))
  loadState(model, arraysOf(golden.parameters))
  return model
}

export const lossOf = (golden: Golden, model: Module): Tensor => lossAt(golden, model(toTensor(golden.input)))

/** The loss of a network's output. */
export function lossAt(golden: Golden, output: Tensor): Tensor {
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
