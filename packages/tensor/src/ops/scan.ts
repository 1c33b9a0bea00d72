/** @file Cumulative sums. */
import { allocate, type DType } from '../dtype.ts'
import { DTypeError } from '../errors.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import { normalizeAxis, stridesOf } from '../shape.ts'

/** Which partial sums a cumulative sum has. */
export interface CumsumOptions {
  /** Whether a sum stops before its own element; the first is 0 then. Default: false. */
  readonly exclusive?: boolean
  /** Whether sums run from the end. Default: false. */
  readonly reverse?: boolean
}

const cumsumOp: Op = {
  name: 'cumsum',
  family: 'scan',
  infer: ([x]) => {
    if (x!.dtype === 'bool') throw new DTypeError('cumsum', 'takes numbers, not bool; use cast()')
    return { shape: x!.shape, dtype: x!.dtype }
  },
  kernel: ([x], { axis, exclusive, reverse }, output) => {
    const source = x!.data
    const target = allocate(output.dtype, source.length, 'float64')
    const size = x!.shape[axis as number]!
    const inner = stridesOf(x!.shape)[axis as number]!
    for (let start = 0; start < source.length; start += size * inner) {
      for (let i = 0; i < inner; i++) {
        let total: number | bigint = output.dtype === 'int64' ? 0n : 0
        for (let k = 0; k < size; k++) {
          const at: number = start + (reverse === true ? size - 1 - k : k) * inner + i
          if (exclusive === true) target[at] = total
          total = sum(total, source[at]!, output.dtype)
          if (exclusive !== true) target[at] = total
        }
      }
    }
    return target
  },
}

function sum(a: number | bigint, b: number | bigint, dtype: DType): number | bigint {
  const total = (a as number) + (b as number)
  return dtype === 'int32' ? total | 0 : total
}

/** Sums of the elements so far along one axis. Integers wrap as in `sum`. */
export function cumsum<D extends DType>(x: Tensor<D>, axis: number, options: CumsumOptions = {}): Tensor<D> {
  demandTensors('cumsum', x)
  return build(cumsumOp, [x], {
    axis: normalizeAxis('cumsum', axis, x.shape.length),
    exclusive: options?.exclusive === true,
    reverse: options?.reverse === true,
  })
}
