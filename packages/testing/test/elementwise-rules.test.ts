/** @file The tables of partial derivatives of elementwise ops: sweeps of the Hessian's diagonal read them directly. */
import { gradient, opsWithRules, ruleOf } from '@beyondgrad/autograd'
import * as ops from '@beyondgrad/tensor'
import {
  abs,
  add,
  type AnyTensor,
  cast,
  div,
  equal,
  evaluate,
  exp,
  expand,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  type NDArray,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sign,
  sqrt,
  square,
  sub,
  tanh,
  tensor,
  type Tensor,
  where,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'

const [a, b] = [tensor([0.4, 1.3, 2.1]), tensor([1.7, 0.6, 2.5])]
const shifted = sub(a, 1)
const inside = a.mul(0.3)

const nodes: Readonly<Record<string, AnyTensor>> = {
  neg: neg(a),
  abs: abs(shifted),
  sign: sign(shifted),
  exp: exp(a),
  log: log(a),
  sqrt: sqrt(a),
  square: square(a),
  reciprocal: reciprocal(a),
  tanh: tanh(a),
  sigmoid: sigmoid(a),
  relu: relu(shifted),
  add: add(a, b),
  sub: sub(a, b),
  mul: mul(a, b),
  div: div(a, b),
  pow: pow(a, b),
  maximum: maximum(a, b),
  minimum: minimum(a, b),
  where: where(greater(a, 1), a, b),
  cast: cast(a, 'float64'),
  equal: equal(a, b),
  less: less(a, b),
  greater: greater(a, b),
  sin: ops.sin(a),
  cos: ops.cos(a),
  tan: ops.tan(a),
  asin: ops.asin(inside),
  acos: ops.acos(inside),
  atan: ops.atan(a),
  sinh: ops.sinh(a),
  cosh: ops.cosh(a),
  asinh: ops.asinh(a),
  acosh: ops.acosh(a.add(1)),
  atanh: ops.atanh(inside),
  erf: ops.erf(a),
  floor: ops.floor(a),
  ceil: ops.ceil(a),
  round: ops.round(a),
  rem: ops.rem(a, b),
  logicalNot: ops.logicalNot(greater(a, 1)),
  logicalAnd: ops.logicalAnd(greater(a, 1), less(b, 1)),
  logicalOr: ops.logicalOr(greater(a, 1), less(b, 1)),
}

/** Numbers stand for tensors full of them. */
const whole = (partial: Tensor | number): Tensor =>
  expand(typeof partial === 'number' ? tensor(partial) : partial, [3])

const isSmooth = (x: AnyTensor): boolean => x.dtype === 'float32'

describe('partial derivatives of', () => {
  it('every elementwise op, none left out', () => {
    const elementwise = opsWithRules().filter((name) => nodes[name] !== undefined)
    expect(elementwise).toEqual(
      Object.keys(nodes).sort((x, y) => elementwise.indexOf(x) - elementwise.indexOf(y)),
    )
    for (const name of opsWithRules()) {
      const rule = ruleOf({ op: { name } } as AnyTensor)
      expect(rule.partial !== undefined, name).toBe(name in nodes)
    }
  })

  it.each(Object.entries(nodes))('%s agree with its vjp, first and second', async (_name, node) => {
    const rule = ruleOf(node)
    const inputs = node.inputs as readonly Tensor[]
    const found: Tensor[] = []
    const expected: Tensor[] = []
    inputs.forEach((x, i) => {
      if (!isSmooth(x) || node.dtype === 'bool') return
      // Every entry depends on its own entries alone: the gradient of the sum is the diagonal of the Jacobian.
      const [slope] = gradient(cast(node, 'float32').sum(), [x])
      found.push(whole(rule.partial!(node, i)))
      expected.push(slope!)
      inputs.forEach((y, j) => {
        if (!isSmooth(y)) return
        found.push(whole(rule.second!(node, i, j)))
        expected.push(gradient(slope!.sum(), [y])[0]!)
      })
    })
    const values: readonly NDArray[] = await evaluate([...found, ...expected])
    const half = values.length / 2
    for (let k = 0; k < half; k++) {
      values[k]!.data.forEach((value, entry) => {
        expect(value, `derivative ${k}, entry ${entry}`).toBeCloseTo(values[half + k]!.data[entry]!, 9)
      })
    }
    const bends = found.length > 0 && rule.curvature !== 'none'
    const curved = inputs.some((_, i) =>
      inputs.some((__, j) => isSmooth(inputs[i]!) && rule.second!(node, i, j) !== 0),
    )
    expect(bends, 'curvature').toBe(curved)
  })
})
