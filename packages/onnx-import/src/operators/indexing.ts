/** @file Elements by their indices. */
import {
  add,
  type AnyTensor,
  cast,
  gather,
  gatherElements,
  gatherND,
  type Indices,
  less,
  moveAxes,
  oneHot,
  reshape,
  scatterElements,
  scatterND,
  type ScatterReduction,
  slice,
  topK,
  where,
  expand,
  iota,
  sub,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

function indicesOf(call: OperatorCall, input: number): Indices {
  const x = call.any(input)
  if (x.dtype === 'int32' || x.dtype === 'int64') return x as Indices
  return call.fail(`input ${input} must hold integers, not ${x.dtype}`)
}

function axisOf(call: OperatorCall, usual: number, rank: number): number {
  const axis = call.attributes.int('axis', usual)
  const at = axis < 0 ? axis + rank : axis
  return at < 0 || at >= rank ? call.fail(`there is no axis ${axis}`) : at
}

const reductionOf = (call: OperatorCall): { reduction: ScatterReduction } => ({
  reduction: call.attributes.string('reduction', 'none') as ScatterReduction,
})

function scattered(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const axis = axisOf(call, 0, x.shape.length)
  return scatterElements(x, indicesOf(call, 1), call.any(2), axis, reductionOf(call))
}

/** A new axis that holds one of two values, by where the index points; indices outside of it point nowhere. */
function oneHotOf(call: OperatorCall): AnyTensor {
  const at = cast(call.any(0), 'int32')
  const depth = call.scalar(1)
  const values = call.number(2)
  const rank = at.shape.length + 1
  const axis = call.attributes.int('axis', -1)
  const wrapped = where<'int32'>(less<'int32'>(at, 0), add<'int32'>(at, depth), at)
  const chosen = moveAxes(cast(oneHot(wrapped, depth), 'bool'), [-1], [axis < 0 ? axis + rank : axis])
  const [off, on] = [0, 1].map((i) => reshape(slice(values, 0, i, i + 1), []))
  return where(chosen, expand(on!, chosen.shape), expand(off!, chosen.shape))
}

function top(call: OperatorCall): AnyTensor[] {
  const x = call.number(0)
  const k = call.attributes.has('k') ? call.attributes.int('k') : call.scalar(1)
  const { values, indices } = topK(x, k, axisOf(call, -1, x.shape.length), {
    largest: call.attributes.flag('largest', true),
  })
  return [values, cast(indices, 'int64')]
}

/** The first elements of every sequence, as many as its length says, in reverse. */
function reversed(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const [time, batch] = [call.attributes.int('time_axis', 0), call.attributes.int('batch_axis', 1)]
  const lengths = cast(call.any(1), 'int32')
  const steps = x.shape[time]!
  const shape = x.shape.map((size, axis) => (axis === time || axis === batch ? size : 1))
  const alongTime = x.shape.map((_, axis) => (axis === time ? steps : 1))
  const alongBatch = x.shape.map((size, axis) => (axis === batch ? size : 1))
  const position = expand(reshape(iota(steps), alongTime), shape)
  const length = expand(reshape(lengths, alongBatch), shape)
  const mirrored = sub<'int32'>(sub<'int32'>(length, position), 1)
  const from = where<'int32'>(less<'int32'>(position, length), mirrored, position)
  return gatherElements(x, expand(from, x.shape), time)
}

/** Coordinates of what is not 0: their number depends on the data, so that these must be known. */
function nonZero(call: OperatorCall): AnyTensor {
  const content = call.content(0)!
  const { shape } = call.any(0)
  const places: number[] = []
  for (let i = 0; i < content.length; i++) if (Number(content[i]) !== 0) places.push(i)
  const rows = shape.map((size, axis) => {
    const step = shape.slice(axis + 1).reduce((product, n) => product * n, 1)
    return places.map((at) => Math.floor(at / step) % size)
  })
  const flat = BigInt64Array.from(rows.flat(), BigInt)
  return call.known({ shape: [shape.length, places.length], dtype: 'int64', data: flat })
}

export const indexing: OperatorTable = {
  Gather: operator((call) => {
    const x = call.any(0)
    return gather(x, indicesOf(call, 1), axisOf(call, 0, x.shape.length))
  }),
  GatherElements: operator((call) => {
    const x = call.any(0)
    return gatherElements(x, indicesOf(call, 1), axisOf(call, 0, x.shape.length))
  }),
  GatherND: operator((call) =>
    gatherND(call.any(0), indicesOf(call, 1), call.attributes.int('batch_dims', 0)),
  ),
  NonZero: operator(nonZero, { known: [0] }),
  OneHot: operator(oneHotOf, { known: [1], settings: [0, 2] }),
  ReverseSequence: operator(reversed),
  Scatter: operator(scattered),
  ScatterElements: operator(scattered),
  ScatterND: operator((call) => scatterND(call.any(0), indicesOf(call, 1), call.any(2), reductionOf(call))),
  TopK: operator(top, { known: [1] }),
}
