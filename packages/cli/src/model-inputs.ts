/** @file What a model is called with: tensors from the files that `--input` names, or of the sizes that `--shape` says. */
import type { ValueInfo } from '@beyondgrad/onnx-import'
import {
  type AnyTensor,
  constantOf,
  DataError,
  type DType,
  isFloat,
  type NDArray,
  tensor,
} from '@beyondgrad/tensor'
import { asFloat, checkFinite, readArray, readArrays } from './array-files.ts'
import type { Model } from './model-file.ts'
import { UsageError } from './usage-error.ts'

export type Inputs = Readonly<Record<string, AnyTensor>>

/** Tensors for all inputs, from arguments `FILE[:KEY]`, or `NAME=FILE[:KEY]` where there are several inputs. */
export async function readInputs(model: Model, args: readonly string[]): Promise<Inputs> {
  const arrays = new Map<string, NDArray<DType>>()
  for (const argument of args) {
    const [, name, file] = /^([^=]*)=(.*)$/s.exec(argument) ?? []
    if (name !== undefined && model.inputs.some((info) => info.name === name)) {
      arrays.set(name, await readArray('--input', file!))
    } else if (model.inputs.length === 1) {
      arrays.set(model.inputs[0]!.name, await readArray('--input', argument))
    } else {
      for (const [key, array] of Object.entries(await readArrays('--input', argument))) {
        if (model.inputs.some((info) => info.name === key)) arrays.set(key, array)
      }
    }
  }
  return Object.fromEntries(
    model.inputs.map((info) => {
      const array = arrays.get(info.name)
      if (array === undefined) throw missing(model, info.name)
      return [info.name, inputTensor(info, array, model.known.has(info.name))]
    }),
  )
}

function missing({ inputs }: Model, name: string): UsageError {
  const all = inputs.map((info) => info.name)
  return new UsageError(
    all.length === 1
      ? `--input gives nothing for "${name}": name a file, as x.npy or data.npz:x`
      : `--input gives nothing for "${name}"; the model takes ${all.join(', ')}: give each, as --input ${name}=data.npz:x`,
  )
}

/** An array as the tensor that an input takes; one whose content decides about shapes is a constant. */
function inputTensor(info: ValueInfo, array: NDArray<DType>, isKnown: boolean): AnyTensor {
  const fitting = inputArray(info, array)
  return isKnown ? constantOf(fitting.data, fitting.shape, fitting.dtype) : tensor(fitting as NDArray)
}

/** An array with the kind of elements that an input holds, if it can be had without loss. */
export function inputArray({ name, dtype }: ValueInfo, array: NDArray<DType>): NDArray<DType> {
  const what = `the input "${name}"`
  if (dtype === undefined ? isFloat(array.dtype) : isFloat(dtype)) return checkFinite(asFloat(array), what)
  if (dtype === undefined || dtype === array.dtype || !isFloat(array.dtype)) return array
  const { shape, data } = array as NDArray
  const whole = data.findIndex((value) => !Number.isSafeInteger(value))
  if (whole >= 0) {
    throw new DataError(`element ${whole} of ${what} is ${data[whole]}, but the model takes ${dtype} there`)
  }
  return { shape, dtype: 'int64', data: BigInt64Array.from(data, BigInt) }
}

/** Sizes of an input; a string names a free axis. */
export type InputShape = readonly (number | string)[]

const freeBatch = 'N'

/**
 * The shape of every input: what the file says, or `--shape NAME=SIZES`. Axis 0 of what carries samples is free.
 *
 * @throws UsageError naming an axis of which nothing is known
 */
export function inputShapes(model: Model, args: readonly string[]): Map<string, InputShape> {
  const given = new Map(args.map((argument) => parseShape(model, argument)))
  return new Map(
    model.inputs.map(({ name, shape }) => {
      const own = given.get(name)
      if (own !== undefined) return [name, own] as const
      if (shape === undefined) throw unknown(name, 'any number of axes', 'N,3')
      return [
        name,
        shape.map((size, axis) => {
          if (axis === 0) return typeof size === 'string' ? axisName(size) : freeBatch
          if (typeof size === 'string') return axisName(size)
          return (
            size ??
            refuse(
              unknown(
                name,
                `any size of axis ${axis}`,
                shape.map((s, i) => s ?? (i === 0 ? 'N' : 8)).join(','),
              ),
            )
          )
        }),
      ] as const
    }),
  )
}

function refuse(error: UsageError): never {
  throw error
}

function unknown(name: string, what: string, example: string): UsageError {
  return new UsageError(`the input "${name}" takes ${what}: say which, as --shape ${name}=${example}`)
}

/** Names of axes may be anything in a file. */
function axisName(name: string): string {
  const plain = name.replace(/\W/g, '_')
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`
}

function parseShape(model: Model, argument: string): readonly [string, InputShape] {
  const at = argument.lastIndexOf('=')
  const name = argument.slice(0, at)
  const sizes = argument
    .slice(at + 1)
    .split(/[,x×]/)
    .map((text) => (/^\d+$/.test(text) ? Number(text) : text))
  const isRight =
    at > 0 && sizes.every((size) => (typeof size === 'number' ? size > 0 : /^[A-Za-z_]\w*$/.test(size)))
  if (!isRight) {
    throw new UsageError(
      `--shape ${argument}: give sizes, or names of free axes, as in --shape image=N,3,224,224`,
    )
  }
  if (!model.inputs.some((info) => info.name === name)) {
    const names = model.inputs.map((info) => info.name)
    throw new UsageError(
      `--shape ${argument}: the model has no input "${name}"; there are: ${names.join(', ')}`,
    )
  }
  return [name, sizes]
}

/** The name of the axis that counts the samples, if it is free. */
function batchAxis(shapes: ReadonlyMap<string, InputShape>): string | undefined {
  const first = [...shapes.values()].find((shape) => shape.length > 0)?.[0]
  return typeof first === 'string' ? first : undefined
}

/** Zeros of given sizes; free axes other than that of the samples must have been said. */
export function zeroInputs(model: Model, shapes: ReadonlyMap<string, InputShape>, batch: number): Inputs {
  const samples = batchAxis(shapes)
  return Object.fromEntries(
    model.inputs.map((info) => {
      const shape = shapes.get(info.name)!.map((size) => {
        if (typeof size === 'number') return size
        if (size === samples) return batch
        throw unknown(
          info.name,
          `any size "${size}"`,
          shapes
            .get(info.name)!
            .map((s) => (s === size ? 8 : s))
            .join(','),
        )
      })
      const size = shape.reduce((product, axis) => product * axis, 1)
      const zeros: NDArray<DType> = { shape, dtype: 'float64', data: new Float64Array(size) }
      return [info.name, inputTensor(info, zeros, model.known.has(info.name))]
    }),
  )
}
