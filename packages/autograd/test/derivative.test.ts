import {
  add,
  argmax,
  cast,
  compile,
  evaluate,
  exp,
  greater,
  intTensor,
  matmul,
  max,
  maximum,
  mul,
  type NDArray,
  relu,
  softmax,
  square,
  sum,
  tensor,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { gradient, hessian, hvp, jacobian, jvp, parameterMap, vjp } from '../src/index.ts'
import { output, v, w, weight } from './networks.ts'

/** Without the sign of zero. */
const list = async (x: Tensor): Promise<number[]> => Array.from((await x.read()).data, (value) => value + 0)
const a = tensor([1, 2, 3])

describe('gradient', () => {
  it('of nodes comes in their order, of parameters by name', async () => {
    const b = tensor(2)
    const loss = mul(square(a), b).sum()
    const [da, db] = gradient(loss, [a, b])
    expect(await list(da!)).toEqual([4, 8, 12])
    expect(await list(db!)).toEqual([14])
    const all = gradient(square(output()).sum())
    expect(all.names).toEqual(['w', 'v'])
    expect(gradient(square(output()).sum(), parameterMap([v])).names).toEqual(['v'])
    expect(all.get(w).shape).toEqual([2, 3])
  })

  it('is zero where there is no dependence, or none that can be differentiated', async () => {
    const other = tensor([1, 2])
    const [none, jump, index] = [
      gradient(square(a).sum(), [other])[0]!,
      gradient(cast(greater(a, 2), 'float32').sum(), [a])[0]!,
      gradient(cast(argmax(a, 0), 'float32'), [a])[0]!,
    ]
    expect(await list(none)).toEqual([0, 0])
    expect(await list(jump)).toEqual([0, 0, 0])
    expect(await list(index)).toEqual([0, 0, 0])
  })

  it('at kinks: relu’(0) is 0, ties of a maximum share, and the first of two operands counts', async () => {
    const tie = tensor([1, 1, 0])
    expect(await list(gradient(relu(tensor([0, 1])).sum(), [tensor(0)])[0]!)).toEqual([0])
    const zero = tensor([0, 2, -1])
    expect(await list(gradient(relu(zero).sum(), [zero])[0]!)).toEqual([0, 1, 0])
    expect(await list(gradient(max(tie), [tie])[0]!)).toEqual([0.5, 0.5, 0])
    const [p, q] = gradient(maximum(tie, tensor([1, 2, -1])).sum(), [tie, tie])
    expect(await list(p!)).toEqual([1, 0, 1])
    expect(await list(q!)).toEqual(await list(p!))
  })

  it('of relu is chosen, not multiplied: 0 · ∞ can’t arise', async () => {
    const y = tensor([-1, 2])
    const [g] = vjp(relu(y), [y], tensor([Infinity, 3]))
    expect(await list(g!)).toEqual([0, 3])
  })

  it('of a matrix product with an empty axis has that axis', async () => {
    const [p, q] = [zeros([4, 0]), zeros([0, 3])]
    const [dp, dq] = gradient(matmul(add(p, 0), add(q, 0)).sum(), [p, q])
    expect([dp!.shape, dq!.shape]).toEqual([
      [4, 0],
      [0, 3],
    ])
    const [r, s] = [zeros([2, 0, 4]), zeros([4, 1])]
    expect(await list(gradient(matmul(r, s).sum(), [s])[0]!)).toEqual([0, 0, 0, 0])
  })

  it('needs one number', () => {
    expect(() => gradient(a)).toThrow(
      'gradient: a gradient needs one number, not a tensor of shape [3]; sum it, or use vjp or jacobian',
    )
    expect(() => vjp(a, [a], tensor([1]))).toThrow('vjp: the cotangent has shape [1], the output [3]')
    expect(() => jvp(a, [a], [tensor([1])])).toThrow('jvp: the tangent has shape [1], the input [3]')
  })

  it('of a chain of 100,000 nodes overflows no stack', async () => {
    let y: Tensor = a
    for (let i = 0; i < 50_000; i++) y = add(mul(y, 0.9999), 0.0001)
    const [g] = gradient(y.sum(), [a])
    expect((await list(g!))[0]).toBeCloseTo(0.9999 ** 50_000, 9)
  })

  it('of a gradient, and so on', async () => {
    const x = tensor(2)
    let y: Tensor = x.pow(5)
    const found: number[] = []
    for (let order = 0; order < 5; order++) {
      found.push(await y.item())
      y = gradient(y, [x])[0]!
    }
    found.forEach((value, i) => expect(value).toBeCloseTo([32, 80, 160, 240, 240][i]!, 9))
  })
})

describe('products with derivatives', () => {
  const f = (x: Tensor): Tensor => mul(square(x), tensor([1, -1, 2]))

  it('vjp and jvp are the two sides of one matrix', async () => {
    expect(await list(jacobian(f(a), a))).toEqual([2, 0, 0, 0, -4, 0, 0, 0, 12])
    expect(await list(vjp(f(a), [a], tensor([1, 1, 1]))[0]!)).toEqual([2, -4, 12])
    expect(await list(jvp(f(a), [a], [tensor([1, 0, -1])]))).toEqual([2, 0, -12])
    expect(await list(jvp(f(a), [tensor([5])], [tensor([1])]))).toEqual([0, 0, 0])
  })

  it('jacobian has the output’s axes, then the input’s', async () => {
    const s = softmax(tensor([[0, 0]]))
    expect(jacobian(output(), w.value).shape).toEqual([3, 2, 2, 3])
    const logits = tensor([[0, 0]])
    expect(await list(jacobian(softmax(logits), logits))).toEqual([0.25, -0.25, -0.25, 0.25])
    expect(jacobian(s, a).shape).toEqual([1, 2, 3])
  })

  it('jacobian is the same by rows, by columns, and by default', async () => {
    const wide = matmul(matmul(tensor([[0.3, -0.2]]), w.value).tanh(), v.value)
    for (const input of [w.value, v.value]) {
      const [rows, columns, either] = await Promise.all([
        list(jacobian(wide, input, { by: 'rows' })),
        list(jacobian(wide, input, { by: 'columns' })),
        list(jacobian(wide, input)),
      ])
      rows.forEach((value, i) => expect(columns[i]).toBeCloseTo(value, 12))
      expect(either).toEqual(rows)
      expect(rows.some((value) => value !== 0)).toBe(true)
    }
    const few = tensor([0.5])
    const many = few.mul(tensor([1, 2, 3])).tanh()
    const [columns, rows] = await Promise.all([
      list(jacobian(many, few)),
      list(jacobian(many, few, { by: 'rows' })),
    ])
    columns.forEach((value, i) => expect(value).toBeCloseTo(rows[i]!, 12))
    expect(await list(jacobian(zeros([2]), few, { by: 'columns' }))).toEqual([0, 0])
  })

  it('hvp is the Hessian times a vector, for several inputs jointly', async () => {
    const [p, q] = [tensor([1, 2]), tensor([3, 4])]
    const loss = mul(square(p), q).sum()
    const [hp, hq] = hvp(loss, [p, q], [tensor([1, 0]), tensor([0, 1])])
    // ∂²: 2q on the diagonal of p, 2p between p and q.
    expect(await list(hp!)).toEqual([6, 4])
    expect(await list(hq!)).toEqual([2, 0])
  })

  it('hessian is symmetric and agrees with hvp', async () => {
    const loss = square(output()).sum()
    const H = await list(hessian(loss, w.value))
    const direction = weight('t', [2, 3], 3).value
    const [product] = hvp(loss, [w.value], [direction])
    const t = await list(direction)
    const expected = t.map((_, i) => t.reduce((total, tj, j) => total + H[i * 6 + j]! * tj, 0))
    ;(await list(product!)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 10))
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 6; j++) expect(H[i * 6 + j]).toBeCloseTo(H[j * 6 + i]!, 10)
  })

  it('compile like anything else', async () => {
    const slope = compile((x: Tensor) => ({ d: gradient(sum(exp(x)), [x])[0]! }))
    const found = await slope(tensor([0, 1]))
    expect(Array.from(found.d.data)).toEqual([1, Math.exp(1)])
  })

  it('pass over integers', async () => {
    const labels = intTensor([2, 0])
    const y = mul(tensor([1, 2]), cast(labels, 'float32')).sum()
    const values: readonly NDArray[] = await evaluate(gradient(y, [labels]))
    expect(Array.from(values[0]!.data)).toEqual([0, 0])
  })
})
