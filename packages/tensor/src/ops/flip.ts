/** @file Reversal of axes. */
import { allocate, type DType } from '../dtype.ts'
import { demandTensors, build, type Tensor } from '../node.ts'
import type { Op } from '../op.ts'
import { normalizeAxes, stridesOf } from '../shape.ts'

const flipOp: Op = {
  name: 'flip',
  family: 'movement',
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  kernel: ([x], attributes, output) => {
    const axes = attributes.axes as readonly number[]
    const { shape } = output
    const strides = stridesOf(shape)
    const target = allocate(output.dtype, x!.data.length, 'float64')
    for (let i = 0; i < target.length; i++) {
      let from = i
      for (const axis of axes) {
        const at = Math.floor(i / strides[axis]!) % shape[axis]!
        from += (shape[axis]! - 1 - 2 * at) * strides[axis]!
      }
      target[i] = x!.data[from]!
    }
    return target
  },
}

/** The same elements, the last first, along `axes` (default: all). */
export function flip<D extends DType>(x: Tensor<D>, axes?: readonly number[]): Tensor<D> {
  demandTensors('flip', x)
  const over = normalizeAxes('flip', axes, x.shape.length).filter((axis) => x.shape[axis]! > 1)
  return over.length === 0 ? x : build(flipOp, [x], { axes: over })
}
