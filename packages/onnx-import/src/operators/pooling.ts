/** @file Pools, and what puts back what they took. */
import {
  abs,
  add,
  type AnyTensor,
  argmax,
  avgPool,
  cast,
  constant,
  expand,
  fold,
  gatherElements,
  globalAvgPool,
  globalMaxPool,
  lpPool,
  maxPool,
  type PoolOptions,
  poolWindow,
  pow,
  reshape,
  scatterElements,
  sizeOf,
  stridesOf,
  sum,
  type Tensor,
  unfold,
  padWith,
  windowIndex,
  windowPositions,
  zeros,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'
import { optionsOf, perAxis, windowAttributes } from './window-attributes.ts'

interface Pool {
  readonly x: Tensor
  readonly kernel: readonly number[]
  readonly options: PoolOptions
}

function poolOf(call: OperatorCall): Pool {
  const x = call.float(0)
  const kernel = call.attributes.ints('kernel_shape') ?? call.fail('attribute kernel_shape is missing')
  if (x.shape.length !== kernel.length + 2) call.fail(`kernel_shape has ${kernel.length} entries`)
  const window = windowAttributes(call, kernel, x.shape.slice(2))
  const options = { ...optionsOf(window), ceil: call.attributes.flag('ceil_mode') }
  return { x, kernel, options }
}

/** Below every number that a model has, but finite: engines may multiply it with 0. */
const lowest = -3e38

/** Where the maxima of a pool are, counted through the whole of x. */
function maximaOf(call: OperatorCall, { x, kernel, options }: Pool): AnyTensor {
  const window = poolWindow('MaxPool', x, kernel, options)
  const spatial = x.shape.slice(2)
  const places = windowPositions('MaxPool', spatial, window)
  const [n, c] = [x.shape[0]!, x.shape[1]!]
  const [elements, count] = [sizeOf(kernel), sizeOf(places)]
  const none = kernel.map(() => 0)
  const padded = padWith(x, [0, 0, ...window.before], [0, 0, ...window.after], 'constant', lowest)
  const columns = reshape(unfold(padded, { ...window, before: none, after: none }), [n, c, elements, count])
  const winner = argmax(columns, 2, { keep: true })
  const index = windowIndex(spatial, places, window)
  const columnMajor = call.attributes.int('storage_order', 0) === 1
  const strides = stridesOf(spatial)
  const table = new Int32Array(elements * count)
  for (let p = 0; p < count; p++) {
    for (let e = 0; e < elements; e++) {
      let at = index[p * elements + e]!
      if (columnMajor && at >= 0) {
        // The first axis runs fastest.
        let [rest, step, other] = [at, 1, 0]
        spatial.forEach((size, axis) => {
          const coordinate = Math.floor(rest / strides[axis]!)
          rest %= strides[axis]!
          other += coordinate * step
          step *= size
        })
        at = other
      }
      table[e * count + p] = at
    }
  }
  const inPlane = gatherElements(
    expand(constant(table, { shape: [1, 1, elements, count], dtype: 'int32' }), [n, c, elements, count]),
    winner,
    2,
  )
  const plane = sizeOf(spatial)
  const starts = constant(
    Int32Array.from({ length: n * c }, (_, i) => i * plane),
    { shape: [n, c, 1, 1], dtype: 'int32' },
  )
  return cast(reshape(add<'int32'>(inPlane, starts), [n, c, ...places]), 'int64')
}

function maximum(call: OperatorCall): (AnyTensor | undefined)[] {
  const pool = poolOf(call)
  const y = maxPool(pool.x, pool.kernel, pool.options)
  return [y, call.wants(1) ? maximaOf(call, pool) : undefined]
}

/** Maxima go back to where they came from; everything else is 0. */
function unpooled(call: OperatorCall): AnyTensor {
  const [x, indices] = [call.float(0), call.any(1)]
  const kernel = call.attributes.ints('kernel_shape') ?? call.fail('attribute kernel_shape is missing')
  const rank = kernel.length
  const stride = perAxis(call, 'strides', rank, 1)
  const pads = call.attributes.ints('pads') ?? Array<number>(2 * rank).fill(0)
  const usual = kernel.map((k, i) => (x.shape[i + 2]! - 1) * stride[i]! + k - pads[i]! - pads[i + rank]!)
  const inner = [...x.shape.slice(0, 2), ...usual]
  const shape = call.integers(2) ?? inner
  const flat = scatterElements(
    zeros([sizeOf(inner)]),
    reshape(indices as Tensor<'int64'>, [sizeOf(x.shape)]),
    reshape(x, [sizeOf(x.shape)]),
    0,
  )
  // Indices count through the usual size; a larger one that was asked for has zeros at the ends.
  const y = reshape(flat, inner)
  return padWith(
    y,
    inner.map(() => 0),
    shape.map((size, axis) => size - inner[axis]!),
    'constant',
  )
}

/** (Σ |x|ᵖ)^(1/p) over all of a plane. */
function globalLp(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const p = call.attributes.int('p', 2)
  const axes = x.shape.map((_, axis) => axis).slice(2)
  return pow(sum(pow(abs(x), p), axes, { keep: true }), 1 / p)
}

/** Adds the blocks of an image, which are columns, to where they were. */
function columnsToImage(call: OperatorCall): AnyTensor {
  const x = call.float(0)
  const image = call.integers(1)!
  const kernel = call.integers(2)!
  const rank = kernel.length
  const pads = call.attributes.ints('pads') ?? Array<number>(2 * rank).fill(0)
  const window = {
    kernel,
    stride: perAxis(call, 'strides', rank, 1),
    dilation: perAxis(call, 'dilations', rank, 1),
    before: pads.slice(0, rank),
    after: pads.slice(rank),
  }
  return fold(x, window, image)
}

export const pools: OperatorTable = {
  AveragePool: operator((call) => {
    const { x, kernel, options } = poolOf(call)
    return avgPool(x, kernel, { ...options, countPadding: call.attributes.flag('count_include_pad') })
  }),
  Col2Im: operator(columnsToImage, { known: [1, 2] }),
  GlobalAveragePool: operator((call) => globalAvgPool(call.float(0))),
  GlobalLpPool: operator(globalLp),
  GlobalMaxPool: operator((call) => globalMaxPool(call.float(0))),
  LpPool: operator((call) => {
    const { x, kernel, options } = poolOf(call)
    return lpPool(x, call.attributes.int('p', 2), kernel, options)
  }),
  MaxPool: operator(maximum),
  MaxUnpool: operator(unpooled, { known: [2] }),
}
