/** @file Reads models with their references: inputs, logits, gradients, norms of single samples' gradients. */
import { type AnyTensor, type DType, type HostArray, type NDArray, tensor } from '@beyondgrad/tensor'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

export interface ReferenceParameter {
  readonly initializer?: string
  readonly constant?: string
  readonly shape: readonly number[]
  /** Which entry of the file holds the gradient. */
  readonly grad: string
  readonly per_sample_grad_sq_norm?: readonly number[]
  readonly diag_ggn_trace?: number
}

export interface Reference {
  readonly inputs: readonly { readonly name: string; readonly tensor: string }[]
  readonly outputs: readonly { readonly name: string; readonly float64: string }[]
  readonly loss: {
    readonly kind: string
    readonly labels: string
    readonly value: number
    readonly reduction?: string
  }
  readonly parameters: readonly ReferenceParameter[]
  readonly buffers?: readonly string[]
  readonly binary: {
    readonly tensors: Readonly<
      Record<
        string,
        {
          readonly dtype: DType
          readonly shape: readonly number[]
          readonly offset: number
          readonly bytes: number
        }
      >
    >
  }
}

/** Whole models that others exported, whose last output are logits. */
export const modelNames: readonly string[] = [
  'lenet',
  'resnet18_cifar',
  'mobilenet_v2_025',
  'squeezenet_small',
  'bert_tiny',
  'lstm_classifier',
  'unet_mini',
]

/** Some samples of an array, by their positions. */
export function samplesOf(array: NDArray<DType>, positions: readonly number[]): NDArray<DType> {
  const size = array.data.length / array.shape[0]!
  const data = new (array.data.constructor as new (length: number) => HostArray)(positions.length * size)
  positions.forEach((position, i) => {
    for (let k = 0; k < size; k++) data[i * size + k] = array.data[position * size + k]!
  })
  return { ...array, shape: [positions.length, ...array.shape.slice(1)], data }
}

/** Folders of models, here or beside the repository; undefined where there are none. */
export function modelFolder(name: string): string | undefined {
  const roots = [
    new URL('../../../fixtures/onnx-models/', import.meta.url),
    shared('onnx-models'),
    shared('onnx-real'),
  ]
  return roots.map((root) => fileURLToPath(new URL(name, root))).find((path) => existsSync(path))
}

/** A folder of data beside the repository, or where BEYONDGRAD_SHARED says. */
export function shared(name: string): URL {
  const given = process.env.BEYONDGRAD_SHARED
  const root =
    given === undefined ? new URL('../../../../shared/', import.meta.url) : pathToFileURL(`${given}/`)
  return new URL(`${name}/`, root)
}

/** A model's reference, and its tensors by name. */
export function readReference(folder: string): {
  readonly reference: Reference
  readonly array: (name: string) => NDArray<DType>
  readonly input: (name: string) => AnyTensor
} {
  const reference = JSON.parse(readFileSync(`${folder}/reference.json`, 'utf8')) as Reference
  const bytes = readFileSync(`${folder}/reference.bin`)
  const array = (name: string): NDArray<DType> => {
    const { dtype, shape, offset, bytes: length } = reference.binary.tensors[name]!
    const buffer = bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + length)
    return { dtype, shape, data: arrayOf(dtype, buffer) }
  }
  return { reference, array, input: (name) => tensor(array(name) as NDArray) }
}

function arrayOf(dtype: DType, buffer: ArrayBuffer): HostArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer)
    case 'float64':
      return new Float64Array(buffer)
    case 'int32':
      return new Int32Array(buffer)
    case 'int64':
      return new BigInt64Array(buffer)
    case 'bool':
      return new Uint8Array(buffer)
  }
}
