/** @file Combining the arrays of batches on the host, in double precision and one batch after the other. */
import { BeyondgradError, formatShape, isFloat, sameShape, sizeOf } from '@beyondgrad/tensor'
import { type Combination, concatAxis } from './merge.ts'
import type { AnyArray } from './result-arrays.ts'

/** Takes in the arrays of one batch after the other, each multiplied with a factor; gives the combination at any time. */
export interface Combiner {
  add(array: AnyArray, factor: number, samples: number): void
  value(factor: number): AnyArray
}

/** @param what whose arrays they are, for messages */
export function combiner(what: string, how: Combination, first: AnyArray): Combiner {
  const axis = concatAxis(how)
  if (axis !== undefined) return joined(what, axis, first)
  if (first.dtype === 'bool' || first.dtype === 'int64') {
    throw new BeyondgradError(
      'dtype',
      `accumulate: ${what} is ${first.dtype}, which merge '${how as string}' does not combine; cast() it to float32 or int32, or use 'concat'`,
    )
  }
  return entryByEntry(what, how as Exclude<Combination, object>, first)
}

type Numbers = Float32Array | Float64Array | Int32Array

const folds: Readonly<Record<string, (before: number, next: number) => number>> = {
  max: Math.max,
  min: Math.min,
}

function entryByEntry(what: string, how: Exclude<Combination, object>, first: AnyArray): Combiner {
  const total = new Float64Array(first.data.length)
  const fold = folds[how]
  let count = 0
  return {
    add: (array, factor, samples) => {
      if (!sameShape(array.shape, first.shape)) {
        throw new BeyondgradError(
          'shape',
          `accumulate: merge of ${what} is '${how}', but batches give ${formatShape(first.shape)} and ${formatShape(array.shape)}, which have no entries in common; is it 'concat'?`,
        )
      }
      demandFactor(what, array, factor)
      const data = array.data as Numbers
      const weight = how === 'mean' ? factor * samples : factor
      if (fold === undefined) for (let i = 0; i < total.length; i++) total[i]! += data[i]! * weight
      else {
        for (let i = 0; i < total.length; i++) {
          total[i] = count === 0 ? data[i]! * weight : fold(total[i]!, data[i]! * weight)
        }
      }
      count += samples
    },
    value: (factor) => {
      const scale = how === 'mean' ? factor / count : factor
      return { ...first, data: filled(what, first, total.length, (i) => total[i]! * scale) }
    },
  }
}

function joined(what: string, axis: number, first: AnyArray): Combiner {
  const rank = first.shape.length
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank) {
    throw new BeyondgradError(
      'shape',
      `accumulate: ${what} has shape ${formatShape(first.shape)} and no axis ${axis} along which merge 'concat' could join it; is it 'sum'?`,
    )
  }
  const parts: { readonly array: AnyArray; readonly factor: number }[] = []
  const others = (shape: readonly number[]): number[] => shape.filter((_, i) => i !== axis)
  return {
    add: (array, factor) => {
      if (array.shape.length !== rank || !sameShape(others(array.shape), others(first.shape))) {
        throw new BeyondgradError(
          'shape',
          `accumulate: merge of ${what} joins along axis ${axis}, but batches give ${formatShape(first.shape)} and ${formatShape(array.shape)}, which differ elsewhere`,
        )
      }
      demandFactor(what, array, factor)
      parts.push({ array, factor })
    },
    value: (factor) => {
      const along = parts.reduce((sum, { array }) => sum + array.shape[axis]!, 0)
      const shape = first.shape.map((size, i) => (i === axis ? along : size))
      const outer = sizeOf(first.shape.slice(0, axis))
      const inner = sizeOf(first.shape.slice(axis + 1))
      const data = new (first.data.constructor as Float32ArrayConstructor)(sizeOf(shape))
      let at = 0
      for (const { array, factor: own } of parts) {
        const length = array.shape[axis]! * inner
        const source = array.data as Float32Array
        for (let o = 0; o < outer; o++) {
          const row = source.subarray(o * length, (o + 1) * length)
          const scale = own * factor
          data.set(scale === 1 ? row : row.map((x) => x * scale), o * along * inner + at)
        }
        at += length
      }
      return { shape, dtype: first.dtype, data: data }
    },
  }
}

/** Throws for integers that would have to be multiplied with a share; they can't. */
export function demandFactor(what: string, { dtype }: AnyArray, factor: number): void {
  if (factor === 1 || isFloat(dtype)) return
  throw new BeyondgradError(
    'dtype',
    `accumulate: ${what} is ${dtype} and cannot scale with the loss; its degree must be 0, not that of its extension`,
  )
}

function filled(what: string, { data, dtype }: AnyArray, size: number, at: (i: number) => number): Numbers {
  const result = new (data.constructor as Float32ArrayConstructor)(size)
  for (let i = 0; i < size; i++) {
    result[i] = at(i)
    if (dtype === 'int32' && result[i] !== at(i)) {
      throw new BeyondgradError(
        'data',
        `accumulate: ${what} comes to ${at(i)}, which does not fit into int32`,
      )
    }
  }
  return result
}
