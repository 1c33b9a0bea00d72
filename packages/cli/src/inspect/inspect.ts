/** @file Tells what is in a model. */
import type { TensorInfo, ValueInfo } from '@beyondgrad/onnx-import'
import { sizeOf } from '@beyondgrad/tensor'
import { type Model, openModel } from '../model-file.ts'
import { loadPlugins } from '../plugins.ts'
import type { Terminal } from '../terminal.ts'

export interface InspectOptions {
  readonly plugin: readonly string[]
  readonly json?: boolean
}

/** A size of null is free, and has no name. */
interface DescribedValue {
  readonly name: string
  readonly dtype: string | null
  readonly shape: readonly (number | string | null)[] | null
}

/** The document that `--json` prints. */
export interface InspectDocument {
  readonly name: string
  readonly inputs: readonly DescribedValue[]
  readonly outputs: readonly DescribedValue[]
  readonly operators: readonly string[]
  readonly parameters: readonly {
    readonly name: string
    readonly shape: readonly number[]
    readonly trainable: boolean
    /** Why it is one, and where it is used. */
    readonly why: string
    readonly uses: TensorInfo['uses']
  }[]
  readonly buffers: readonly { readonly name: string; readonly shape: readonly number[] }[]
  /** Numbers in all parameters together. */
  readonly size: number
  readonly notes: readonly string[]
}

export async function inspect(file: string, options: InspectOptions, terminal: Terminal): Promise<void> {
  const model = await openModel(file, await loadPlugins(options.plugin))
  terminal.print(options.json ? JSON.stringify(documentOf(model)) : model.describe())
}

function documentOf(model: Model): InspectDocument {
  const infos = new Map(model.tensors.map((info) => [info.name, info]))
  const parameters = [...model.parameters].map(([parameter]) => parameter)
  return {
    name: model.name,
    inputs: model.inputs.map(described),
    outputs: model.outputs.map(described),
    operators: [...model.operators].sort(),
    parameters: parameters.map(({ name, shape, trainable }) => ({
      name,
      shape,
      trainable,
      why: infos.get(name)?.why ?? '',
      uses: infos.get(name)?.uses ?? [],
    })),
    buffers: [...model.buffers].map(([{ name, cell }]) => ({ name, shape: cell.shape })),
    size: parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    notes: model.notes,
  }
}

function described({ name, dtype, shape }: ValueInfo): DescribedValue {
  return { name, dtype: dtype ?? null, shape: shape?.map((size) => size ?? null) ?? null }
}
