/** @file Comparisons, truth values, selection, bounds and changes of the element type. */
import { dtypeOfElements } from '@beyondgrad/onnx'
import {
  add,
  type AnyTensor,
  cast,
  equal,
  greater,
  greaterEqual,
  isInfinite,
  isNaN,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  maximum,
  minimum,
  mod,
  sub,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { type Node } from '../graph.ts'
import { type OperatorCall, operator, type OperatorTable, type OperatorVersion } from '../operator.ts'
import { operands } from './broadcast.ts'

const comparison = (apply: (a: Tensor, b: Tensor) => AnyTensor): OperatorVersion[] =>
  operator((call) => {
    const [a, b] = operands(call)
    return apply(a as Tensor, b as Tensor)
  })

const logical = (apply: (a: Tensor<'bool'>, b: Tensor<'bool'>) => AnyTensor): OperatorVersion[] =>
  operator((call) => {
    const [a, b] = operands(call)
    return apply(cast(a, 'bool'), cast(b, 'bool'))
  })

/** How many bits of an integer of the format are kept, where int32 has more of them. */
const narrow: Readonly<Record<number, readonly [bits: number, signed: boolean]>> = {
  2: [8, false],
  3: [8, true],
  4: [16, false],
  5: [16, true],
}

const typeNames: Readonly<Record<string, number>> = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
}

/** The target of a Cast; opset 5 and older write its name. */
function castType(node: Node): number {
  const to = node.attributes.get('to')
  if (to?.kind === 'string') return typeNames[to.value] ?? 0
  return node.attributes.int('to')
}

/** All floats are computed in the engine's float. */
function castTo(x: AnyTensor, type: number): AnyTensor {
  const dtype = dtypeOfElements(type)!
  const target = dtype === 'float64' ? 'float32' : dtype
  const bits = narrow[type]
  if (bits === undefined || x.dtype === 'bool') return cast(x, target)
  const whole = cast(x, 'int32')
  const range = 2 ** bits[0]
  if (!bits[1]) return mod<'int32'>(whole, range)
  return sub<'int32'>(mod<'int32'>(add<'int32'>(whole, range / 2), range), range / 2)
}

function clipOf(call: OperatorCall): AnyTensor {
  const x = call.number(0)
  const bound = (attribute: string, input: number): Tensor | number | undefined => {
    if (call.attributes.has(attribute)) return call.attributes.float(attribute)
    const known = call.contentIfKnown(input)
    if (known?.data.length === 1 && x.dtype === 'float32') return Number(known.data[0])
    return call.has(input) ? call.number(input) : undefined
  }
  const [least, most] = [bound('min', 1), bound('max', 2)]
  // Bounds may be the wrong way round: the upper one wins.
  const above = least === undefined ? x : maximum(x, least)
  return most === undefined ? above : minimum(above, most)
}

export const logic: OperatorTable = {
  And: logical(logicalAnd),
  Cast: operator((call) => castTo(call.any(0), castType(call.node)), {
    check: (node) =>
      dtypeOfElements(castType(node)) === undefined
        ? `can't make elements of type ${castType(node)}`
        : undefined,
  }),
  CastLike: operator((call) => cast(call.any(0), call.any(1).dtype)),
  Clip: operator(clipOf, { settings: [1, 2] }),
  Equal: comparison(equal),
  Greater: comparison(greater),
  GreaterOrEqual: comparison(greaterEqual),
  IsInf: operator((call) => {
    const x = call.float(0)
    const [below, above] = [
      call.attributes.flag('detect_negative', true),
      call.attributes.flag('detect_positive', true),
    ]
    if (below && above) return isInfinite(x)
    if (above) return equal(x, Infinity)
    return below ? equal(x, -Infinity) : logicalAnd(isInfinite(x), logicalNot(isInfinite(x)))
  }),
  IsNaN: operator((call) => isNaN(call.float(0))),
  Less: comparison(less),
  LessOrEqual: comparison(lessEqual),
  Not: operator((call) => logicalNot(call.bool(0))),
  Or: logical(logicalOr),
  Where: operator((call) => where(call.bool(0), call.any(1) as Tensor, call.any(2) as Tensor)),
  Xor: logical(logicalXor),
}
