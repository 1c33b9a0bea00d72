/** @file Activation functions. */
import {
  type AnyTensor,
  celu,
  abs,
  add,
  div,
  expm1,
  gelu,
  greater,
  hardTanh,
  isFloat,
  less,
  leakyRelu,
  maximum,
  minimum,
  mish,
  mul,
  prelu,
  relu,
  reshape,
  sigmoid,
  softplus,
  sub,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable, type OperatorVersion } from '../operator.ts'

const of = (
  apply: (x: Tensor, parameter: (name: string, usual: number) => number) => Tensor,
): OperatorVersion[] =>
  operator((call) => apply(call.float(0), (name, usual) => call.attributes.float(name, usual)))

/** x above 0, γ α (eˣ − 1) below. */
function elu(x: Tensor, alpha: number, gamma = 1): Tensor {
  const below = mul(expm1(minimum(x, 0)), alpha)
  const result = where(greater(x, 0), x, below)
  return gamma === 1 ? result : mul(result, gamma)
}

/** Slopes below 0: since opset 7 they broadcast; before, there is one, or one a channel. */
function preluOf(call: OperatorCall): AnyTensor {
  const [x, slope] = [call.float(0), call.float(1)]
  if (call.opset >= 7 || slope.shape.length !== 1 || x.shape.length < 2) return prelu(x, slope)
  return prelu(x, reshape(slope, [slope.shape[0]!, ...x.shape.slice(2).map(() => 1)]))
}

const swish = (x: Tensor, alpha: number): Tensor => mul(x, sigmoid(alpha === 1 ? x : mul(x, alpha)))

export const activations: OperatorTable = {
  Celu: of((x, parameter) => celu(x, { alpha: parameter('alpha', 1) })),
  Elu: of((x, parameter) => elu(x, parameter('alpha', 1))),
  Gelu: operator((call) =>
    gelu(call.float(0), { approximate: call.attributes.string('approximate', 'none') as 'none' | 'tanh' }),
  ),
  HardSigmoid: of((x, parameter) =>
    hardTanh(add(mul(x, parameter('alpha', 0.2)), parameter('beta', 0.5)), { minVal: 0, maxVal: 1 }),
  ),
  HardSwish: of((x) => mul(x, hardTanh(add(mul(x, 1 / 6), 0.5), { minVal: 0, maxVal: 1 }))),
  LeakyRelu: of((x, parameter) => leakyRelu(x, { negativeSlope: parameter('alpha', 0.01) })),
  Mish: of((x) => mish(x)),
  PRelu: operator(preluOf),
  Relu: operator((call) => {
    const x = call.number(0)
    return isFloat(x.dtype) ? relu(x) : maximum(x, 0)
  }),
  // Before opset 6 the numbers were rounded to four digits.
  Selu: operator((call) => {
    const [alpha, gamma] = call.opset < 6 ? [1.6732, 1.0507] : [1.6732631921768188, 1.0507010221481323]
    return elu(call.float(0), call.attributes.float('alpha', alpha), call.attributes.float('gamma', gamma))
  }),
  Shrink: of((x, parameter) => {
    const [lambda, bias] = [parameter('lambd', 0.5), parameter('bias', 0)]
    const zero = mul(x, 0)
    return where(less(x, -lambda), add(x, bias), where(greater(x, lambda), sub(x, bias), zero))
  }),
  Softplus: of((x) => softplus(x)),
  Softsign: of((x) => div(x, add(abs(x), 1))),
  SwiGLU: operator((call) => mul(swish(call.float(0), call.attributes.float('alpha', 1)), call.float(1))),
  Swish: of((x, parameter) => swish(x, parameter('alpha', 1))),
  ThresholdedRelu: of((x, parameter) => where(greater(x, parameter('alpha', 1)), x, 0)),
}
