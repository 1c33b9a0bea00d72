/** @file Contractions. */
import { isFloat } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import { broadcastShapes, formatShape, type Shape, sizeOf } from '../shape.ts'
import { broadcastIndex } from './pointwise.ts'
import { reshape } from './movement.ts'

const batchOf = (shape: Shape): Shape => shape.slice(0, -2)

const matmulOp: Op = {
  name: 'matmul',
  family: 'contract',
  infer: ([a, b]) => {
    if (a!.dtype !== b!.dtype || !isFloat(a!.dtype)) {
      throw new DTypeError('matmul', `takes two floating-point tensors, not ${a!.dtype} and ${b!.dtype}`)
    }
    const x = a!.shape
    const y = b!.shape
    if (x.length < 2 || y.length < 2) {
      throw new ShapeError(
        'matmul',
        `${formatShape(x)} and ${formatShape(y)} must have at least two axes each`,
      )
    }
    if (x.at(-1) !== y.at(-2)) {
      throw new ShapeError(
        'matmul',
        `${formatShape(x)} times ${formatShape(y)}: axis -1 of the first has size ${x.at(-1)}, axis -2 of the second ${y.at(-2)}`,
      )
    }
    const batch = broadcastShapes('matmul', batchOf(x), batchOf(y))
    return { shape: [...batch, x.at(-2)!, y.at(-1)!], dtype: a!.dtype }
  },
  kernel: ([a, b], _attributes, output) => {
    const rows = a!.shape.at(-2)!
    const inner = a!.shape.at(-1)!
    const columns = b!.shape.at(-1)!
    const batch = batchOf(output.shape)
    const at = broadcastIndex(batchOf(a!.shape), batch)
    const bt = broadcastIndex(batchOf(b!.shape), batch)
    const x = a!.data as Float64Array
    const y = b!.data as Float64Array
    const target = new Float64Array(sizeOf(output.shape))
    for (let n = 0; n < at.length; n++) {
      const x0 = at[n]! * rows * inner
      const y0 = bt[n]! * inner * columns
      const z0 = n * rows * columns
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < inner; k++) {
          const factor = x[x0 + i * inner + k]!
          for (let j = 0; j < columns; j++) {
            target[z0 + i * columns + j]! += factor * y[y0 + k * columns + j]!
          }
        }
      }
    }
    return target
  },
}

/**
 * Matrix product over the last two axes; the axes before them broadcast. A vector on the left is a row, on the
 * right a column, and leaves no axis behind.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  demandTensors('matmul', a, b)
  if (a.shape.length === 1 && b.shape.length > 0) {
    const product = matmul(reshape(a, [1, a.shape[0]!]), b)
    // Of a vector on the right the column is gone already, and the row is the last axis.
    const row = b.shape.length === 1 ? -1 : -2
    return reshape(product, (product.shape as number[]).toSpliced(row, 1))
  }
  if (b.shape.length === 1 && a.shape.length > 1) {
    const product = matmul(a, reshape(b, [b.shape[0]!, 1]))
    return reshape(product, product.shape.slice(0, -1))
  }
  return build(matmulOp, [a, b])
}
