/** @file Operators of ONNX Runtime's own domain, `com.microsoft`, which its optimizer leaves in models of transformers. */
import {
  add,
  type AnyTensor,
  gelu,
  matmul,
  mean,
  mul,
  reciprocal,
  sigmoid,
  sqrt,
  square,
  sub,
  type Tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import type { Node } from '../graph.ts'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** α A' B', with matrices transposed where the node says so. */
function fusedProduct(call: OperatorCall): AnyTensor {
  const side = (input: number, flag: string): Tensor => {
    const x = call.float(input)
    if (x.shape.length < 2) call.fail(`input ${input} must have two axes or more`)
    return call.attributes.flag(flag) ? transposeLast(x) : x
  }
  const y = matmul(side(0, 'transA'), side(1, 'transB'))
  const alpha = call.attributes.float('alpha', 1)
  return alpha === 1 ? y : mul(y, alpha)
}

const movesBatch = ({ attributes }: Node): string | undefined =>
  attributes.flag('transBatchA') || attributes.flag('transBatchB')
    ? 'with transBatchA or transBatchB is not supported'
    : undefined

const withBias = (call: OperatorCall): Tensor =>
  call.has(1) ? add(call.float(0), call.float(1)) : call.float(0)

/** Layer normalisation over the last axis of a sum: outputs 1 and 2 are empty, output 3 is the sum. */
function skipLayer(call: OperatorCall): (AnyTensor | undefined)[] {
  const summed = add(call.float(0), call.float(1))
  const x = call.has(4) ? add(summed, call.float(4)) : summed
  const centred = sub(x, mean(x, [-1], { keep: true }))
  const variance = mean(square(centred), [-1], { keep: true })
  const inverse = reciprocal(sqrt(add(variance, call.attributes.float('epsilon', 1e-12))))
  const scaled = mul(mul(centred, inverse), call.float(2))
  return [call.has(3) ? add(scaled, call.float(3)) : scaled, undefined, undefined, x]
}

export const contrib: OperatorTable = {
  BiasGelu: operator((call) => gelu(withBias(call))),
  FastGelu: operator((call) => gelu(withBias(call), { approximate: 'tanh' })),
  FusedMatMul: operator(fusedProduct, { check: movesBatch }),
  Gelu: operator((call) => gelu(call.float(0))),
  QuickGelu: operator((call) => {
    const x = call.float(0)
    return mul(x, sigmoid(mul(x, call.attributes.float('alpha', 1.702))))
  }),
  SkipLayerNormalization: operator(skipLayer),
}
