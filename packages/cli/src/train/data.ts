/** @file Data sets for training, from the forms in which they lie around. */
import { readIdx } from '@beyondgrad/io'
import { DataError, type DType, formatShape, type NDArray, type Shape, sizeOf } from '@beyondgrad/tensor'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ValueInfo } from '@beyondgrad/onnx-import'
import { readArrays } from '../array-files.ts'
import { inputArray } from '../model-inputs.ts'
import type { ChosenLoss } from '../named-loss.ts'

/** Inputs and targets, as they are in the files. */
export interface RawData {
  readonly x: NDArray<DType>
  readonly y: NDArray<DType>
}

/** Reads the arrays x and y, or a folder of IDX files. */
export async function readData(place: string): Promise<RawData> {
  if (await isFolder(place)) return readIdxFolder(place)
  const { x, y } = await readArrays('--data', place)
  if (x !== undefined && y !== undefined) return { x, y }
  throw new DataError(
    `--data ${place}: there must be arrays x and y, and ${x === undefined ? 'x' : 'y'} is missing`,
  )
}

async function isFolder(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory()
  } catch {
    // What is not there is reported by whoever reads it.
    return false
  }
}

/** The grey values of bytes are from 0 to 1. */
const byteScale = 1 / 255

async function readIdxFolder(folder: string): Promise<RawData> {
  const names = (await readdir(folder)).filter((name) => /idx\d+|\.idx\b/i.test(name)).sort()
  const named = (kind: RegExp): string => {
    const found = names.filter((name) => kind.test(name))
    const forTraining = found.filter((name) => /train/i.test(name))
    const [only, ...others] = forTraining.length > 0 ? forTraining : found
    if (only !== undefined && others.length === 0) return join(folder, only)
    throw new DataError(
      `--data ${folder}: there must be one IDX file for ${kind.source.replace(/\W/g, ' or ')}, as train-images-idx3-ubyte.gz; there are: ${names.join(', ') || 'none'}`,
    )
  }
  const [x, y] = await Promise.all([
    readIdx(named(/images|inputs/i), { dtype: 'float32', scale: byteScale }),
    readIdx(named(/labels|targets/i)),
  ])
  return { x, y }
}

export interface TrainingData {
  readonly inputs: NDArray<'float32'>
  readonly targets: NDArray<'int32'>
}

/** Data as the model and the loss take them; images of as many numbers get the model's shape. */
export function trainingData(
  { x, y }: RawData,
  info: ValueInfo,
  loss: ChosenLoss,
  outputFor: (inputs: NDArray<DType>) => Shape,
): TrainingData {
  if (x.shape.length === 0 || x.shape[0] === 0 || x.shape[0] !== y.shape[0]) {
    throw new DataError(
      `--data: x ${formatShape(x.shape)} and y ${formatShape(y.shape)} must have the same number of samples, and at least one`,
    )
  }
  const inputs = inputArray(info, { ...x, shape: fittingShape(x.shape, info) })
  const targets = loss.target(y, outputFor(inputs))
  // Their dtypes are what model and loss take, which types can't tell here.
  return { inputs: inputs as NDArray, targets: targets as NDArray<'int32'> }
}

/** `[N, 28, 28]` as `[N, 1, 28, 28]` or `[N, 784]`, if that is what the model takes. */
function fittingShape(shape: readonly number[], { shape: wanted }: ValueInfo): readonly number[] {
  const sample = wanted?.slice(1)
  if (sample === undefined || !sample.every((size) => typeof size === 'number')) return shape
  return sizeOf(sample) === sizeOf(shape.slice(1)) ? [shape[0]!, ...sample] : shape
}
