/** @file `checkLoss` over every loss there is, and over losses with one thing wrong. */
import {
  bceWithLogits,
  crossEntropy,
  gaussianNLL,
  huberLoss,
  klDivergence,
  l1Loss,
  loss,
  type LossOptions,
  mseLoss,
  nllLoss,
  poissonNLL,
  smoothL1Loss,
} from '@beyondgrad/autograd'
import {
  abs,
  exp,
  intTensor,
  logSoftmax,
  mul,
  softmax,
  square,
  sub,
  sum,
  tanh,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { checkLoss, type CheckedLoss } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'

const random = numbers(3)
const floats = (...shape: number[]): Tensor => randomTensor(shape, random)
/** Numbers above 0. */
const above = (...shape: number[]): Tensor => abs(randomTensor(shape, random)).add(0.25)

interface Case {
  readonly name: string
  readonly loss: CheckedLoss<never>
  readonly output: Tensor
  readonly target: Tensor | Tensor<'int32'>
  readonly definition?: (output: Float64Array, target: readonly number[]) => number
  readonly terms?: number
  readonly far?: number
  readonly columns?: 'weighted'
  readonly sampled?: false
}

const each = (
  term: (f: number, y: number, i: number) => number,
): ((output: Float64Array, target: readonly number[]) => number) => {
  return (output, target) => output.reduce((total, f, i) => total + term(f, target[i]!, i), 0)
}

const logSum = (f: readonly number[]): number => {
  const top = Math.max(...f)
  return top + Math.log(f.reduce((total, x) => total + Math.exp(x - top), 0))
}

/** Of logits [C, T], as PyTorch lays them out, at position t. */
const column = (f: Float64Array, classes: number, t: number): number[] =>
  Array.from({ length: classes }, (_, c) => f[(c * f.length) / classes + t]!)

const classWeight = tensor([0.5, 2, 1.25])
const posWeight = tensor([3, 0.5])

const cases: readonly Case[] = [
  {
    name: 'crossEntropy',
    loss: crossEntropy,
    output: floats(3, 4),
    target: intTensor([3, 0, 2]),
    definition: (f, [y]) => logSum([...f]) - f[y!]!,
    terms: 3,
  },
  {
    name: 'crossEntropy of one class',
    loss: crossEntropy,
    output: floats(2, 1),
    target: intTensor([0, 0]),
    definition: () => 0,
    terms: 2,
  },
  {
    name: 'crossEntropy of one sample',
    loss: crossEntropy,
    output: floats(1, 3),
    target: intTensor([1]),
    definition: (f, [y]) => logSum([...f]) - f[y!]!,
    terms: 1,
  },
  {
    name: 'crossEntropy of a sequence',
    loss: crossEntropy,
    output: floats(2, 3, 4),
    target: intTensor([
      [0, 2, 1, 1],
      [2, 2, 0, 1],
    ]),
    definition: (f, y) =>
      [0, 1, 2, 3].reduce((total, t) => {
        const row = column(f, 3, t)
        return total + logSum(row) - row[y[t]!]!
      }, 0),
    terms: 8,
  },
  {
    name: 'crossEntropy of a sequence, classes last',
    loss: ((f: Tensor, y: Tensor<'int32'>, o: LossOptions) =>
      crossEntropy(f, y, { ...o, axis: -1 })) as CheckedLoss<never>,
    output: floats(2, 4, 3),
    target: intTensor([
      [0, 2, 1, 1],
      [2, 2, 0, 1],
    ]),
    definition: (f, y) =>
      [0, 1, 2, 3].reduce((total, t) => {
        const row = [...f.slice(3 * t, 3 * t + 3)]
        return total + logSum(row) - row[y[t]!]!
      }, 0),
    terms: 8,
  },
  {
    name: 'crossEntropy with class weights, ignored labels and smoothing',
    loss: ((f: Tensor, y: Tensor<'int32'>, o: LossOptions) =>
      crossEntropy(f, y, {
        ...o,
        weight: classWeight,
        ignoreIndex: -100,
        labelSmoothing: 0.1,
      })) as CheckedLoss<never>,
    output: floats(3, 3, 2),
    target: intTensor([
      [0, -100],
      [-100, -100],
      [2, 1],
    ]),
    definition: (f, y) => {
      const w = [0.5, 2, 1.25]
      return [0, 1].reduce((total, t) => {
        if (y[t] === -100) return total
        const row = column(f, 3, t)
        const p = row.map((x) => x - logSum(row))
        const spread = p.reduce((s, x, c) => s - (0.1 / 3) * w[c]! * x, 0)
        return total - 0.9 * w[y[t]!]! * p[y[t]!]! + spread
      }, 0)
    },
    terms: 0.5 + 1.25 + 2,
  },
  {
    name: 'crossEntropy with class weights',
    loss: ((f: Tensor, y: Tensor<'int32'>, o: LossOptions) =>
      crossEntropy(f, y, { ...o, weight: classWeight })) as CheckedLoss<never>,
    output: floats(3, 3),
    target: intTensor([1, 0, 1]),
    definition: (f, [y]) => [0.5, 2, 1.25][y!]! * (logSum([...f]) - f[y!]!),
    terms: 4.5,
  },
  {
    name: 'crossEntropy of probabilities',
    loss: crossEntropy,
    output: floats(2, 3, 2),
    target: softmax(floats(2, 3, 2), 1),
    definition: (f, y) =>
      [0, 1].reduce((total, t) => {
        const [row, q] = [column(f, 3, t), column(Float64Array.from(y), 3, t)]
        return total - row.reduce((s, x, c) => s + q[c]! * (x - logSum(row)), 0)
      }, 0),
    terms: 4,
  },
  {
    name: 'mseLoss',
    loss: mseLoss,
    output: floats(3, 2, 2),
    target: floats(3, 2, 2),
    definition: each((f, y) => (f - y) ** 2),
    terms: 12,
  },
  {
    name: 'mseLoss of [N]',
    loss: mseLoss,
    output: floats(3),
    target: floats(3),
    definition: each((f, y) => (f - y) ** 2),
    terms: 3,
  },
  {
    name: 'bceWithLogits',
    loss: bceWithLogits,
    output: floats(3, 2),
    target: tensor([[0, 1], [0.25, 1], [1, 0]]), // prettier-ignore
    definition: each((f, y) => Math.log1p(Math.exp(f)) - f * y),
    terms: 6,
  },
  {
    name: 'bceWithLogits with posWeight',
    loss: ((f: Tensor, y: Tensor, o: LossOptions) =>
      bceWithLogits(f, y, { ...o, posWeight })) as CheckedLoss<never>,
    output: floats(3, 2),
    target: tensor([[0, 1], [0.25, 1], [1, 0]]), // prettier-ignore
    definition: each(
      (f, y, i) => [3, 0.5][i]! * y * Math.log1p(Math.exp(-f)) + (1 - y) * Math.log1p(Math.exp(f)),
    ),
    terms: 6,
  },
  {
    name: 'l1Loss',
    loss: l1Loss,
    output: floats(3, 2),
    target: floats(3, 2),
    definition: each((f, y) => Math.abs(f - y)),
    terms: 6,
  },
  {
    name: 'huberLoss',
    loss: ((f: Tensor, y: Tensor, o: LossOptions) =>
      huberLoss(f, y, { ...o, delta: 0.75 })) as CheckedLoss<never>,
    output: floats(4, 3),
    target: floats(4, 3),
    definition: each((f, y) => {
      const r = Math.abs(f - y)
      return r <= 0.75 ? 0.5 * r * r : 0.75 * (r - 0.375)
    }),
    terms: 12,
  },
  {
    name: 'smoothL1Loss',
    loss: ((f: Tensor, y: Tensor, o: LossOptions) =>
      smoothL1Loss(f, y, { ...o, beta: 0.5 })) as CheckedLoss<never>,
    output: floats(4, 3),
    target: floats(4, 3),
    definition: each((f, y) => {
      const r = Math.abs(f - y)
      return r <= 0.5 ? (r * r) / 1 : r - 0.25
    }),
    terms: 12,
  },
  {
    name: 'poissonNLL',
    loss: poissonNLL,
    output: floats(3, 2),
    target: tensor([[0, 3], [1, 7], [2, 0]]), // prettier-ignore
    definition: each((f, y) => Math.exp(f) - y * f),
    terms: 6,
    far: 50,
  },
  {
    name: 'klDivergence',
    loss: klDivergence,
    output: logSoftmax(floats(2, 3)),
    target: softmax(floats(2, 3)),
    definition: each((f, y) => y * (Math.log(y) - f)),
    terms: 6,
  },
  {
    name: 'klDivergence of logits',
    loss: ((f: Tensor, y: Tensor, o: LossOptions) =>
      klDivergence(f, y, { ...o, input: 'logits' })) as CheckedLoss<never>,
    output: floats(2, 3, 2),
    target: softmax(floats(2, 3, 2), 1),
    definition: (f, y) =>
      [0, 1].reduce((total, t) => {
        const [row, q] = [column(f, 3, t), column(Float64Array.from(y), 3, t)]
        return total + row.reduce((s, x, c) => s + q[c]! * (Math.log(q[c]!) - x + logSum(row)), 0)
      }, 0),
    terms: 12,
  },
  {
    name: 'nllLoss',
    loss: nllLoss,
    output: logSoftmax(floats(3, 4)),
    target: intTensor([3, 1, 1]),
    definition: (f, [y]) => -f[y!]!,
    terms: 3,
  },
  {
    name: 'gaussianNLL of a known variance',
    loss: ((f: Tensor, y: Tensor, o: LossOptions) => {
      const [mean, variance] = [y.slice(2, 0, 1), y.slice(2, 1, 2)].map((x) => x.reshape(f.shape))
      return gaussianNLL(f, mean!, variance!, { ...o, full: true })
    }) as CheckedLoss<never>,
    output: floats(3, 2),
    target: above(3, 2, 2),
    definition: (f, y) =>
      f.reduce((total, x, i) => {
        const [mean, variance] = [y[2 * i]!, y[2 * i + 1]!]
        return total + 0.5 * (Math.log(2 * Math.PI * variance) + (x - mean) ** 2 / variance)
      }, 0),
    terms: 6,
  },
  {
    name: 'loss() of a root and signs',
    loss: loss((f: Tensor, y: Tensor) => square(sub(f, y)), {
      name: 'own square',
      hessianRoot: ({ output }) => mul(output.mul(0).add(1), Math.SQRT2).reshape([1, ...output.shape]),
    }),
    output: floats(3, 2, 2),
    target: floats(3, 2, 2),
    definition: each((f, y) => (f - y) ** 2),
    terms: 12,
  },
  {
    name: 'loss() of single entries, indefinite',
    loss: loss((f: Tensor, y: Tensor) => square(tanh(sub(f, y))), { name: 'squashed' }),
    output: floats(3, 2, 2),
    target: floats(3, 2, 2),
    definition: each((f, y) => Math.tanh(f - y) ** 2),
    terms: 12,
    columns: 'weighted',
    sampled: false,
  },
  {
    name: 'loss() of whole samples, indefinite',
    loss: loss((f: Tensor, y: Tensor) => mul(sum(f, [1]), sum(tanh(f.mul(y)), [1])), {
      name: 'products',
    }),
    output: floats(3, 3),
    target: floats(3, 3),
    definition: (f, y) =>
      f.reduce((a, b) => a + b, 0) * f.reduce((total, x, i) => total + Math.tanh(x * y[i]!), 0),
    terms: 3,
    columns: 'weighted',
    sampled: false,
  },
  {
    name: 'loss() of positions, indefinite',
    loss: loss((f: Tensor, y: Tensor) => sum(tanh(f.mul(y)), [2]).mul(sum(f, [2])), {
      name: 'positions',
    }),
    output: floats(2, 3, 2),
    target: floats(2, 3, 2),
    terms: 6,
    columns: 'weighted',
    sampled: false,
  },
  {
    name: 'loss() of sums over entries, said to be elementwise',
    loss: loss((f: Tensor, y: Tensor) => sum(mul(exp(mul(square(f), -1)), y), [1]), {
      name: 'bumps',
      elementwise: true,
    }),
    output: floats(3, 3),
    target: floats(3, 3),
    definition: each((f, y) => Math.exp(-f * f) * y),
    terms: 3,
    columns: 'weighted',
    sampled: false,
  },
]

describe.each(cases)('$name', ({ loss: checked, columns = 'root', sampled = true, name: _, ...check }) => {
  it('is what it says', async () => {
    expect(await checkLoss(checked, check as never)).toEqual({ columns, sampled })
  })
})

describe('checkLoss', () => {
  const [output, target] = [floats(3, 2), floats(3, 2)]
  const check = { output, target }
  const root = ({ output: f }: { readonly output: Tensor }): Tensor =>
    f
      .mul(0)
      .add(1)
      .reshape([1, ...f.shape])
  const squares = (f: Tensor, y: Tensor): Tensor => square(sub(f, y))

  it('tells a wrong root', async () => {
    const wrong = loss(squares, { name: 'wrong', hessianRoot: root })
    await expect(checkLoss(wrong, check)).rejects.toThrow(
      'exact columns of sample 0 against the Hessian: element [0, 0] is 1 instead of 2',
    )
  })

  it('tells a wrong sampler', async () => {
    const wrong = loss(squares, {
      name: 'wrong',
      hessianRoot: (at) => root(at).mul(Math.SQRT2),
      sampleRoot: (at, { draws }) =>
        root(at)
          .mul(Math.SQRT2 / Math.sqrt(draws))
          .mul(tensor(Array.from({ length: draws }, () => [[1]]))),
    })
    await expect(checkLoss(wrong, check)).rejects.toThrow(
      /^sampleRoot of sample 0: the outer products of 4000 draws average to (2|1\.9)\S* at \[0, 1\], the Hessian is 0/,
    )
  })

  it('tells a wrong value', async () => {
    await expect(checkLoss(mseLoss, { ...check, definition: () => 1 })).rejects.toThrow('value of sample 0')
  })

  it('tells samples that are not independent', async () => {
    const mixed: CheckedLoss<Tensor> = (f, y, options) =>
      mseLoss(f.sub(f.mean([0], { keep: true })), y, options)
    await expect(checkLoss(mixed, check)).rejects.toThrow('"sum" of the batch against its samples alone')
  })

  it('tells what is not elementwise', async () => {
    const wrong = loss((f: Tensor, y: Tensor) => square(sum(sub(f, y), [1])), { elementwise: true })
    await expect(checkLoss(wrong, check)).rejects.toThrow('exact columns of sample 0 against the Hessian')
  })

  it('tells a wrong number of terms', async () => {
    await expect(checkLoss(mseLoss, { ...check, terms: 3 })).rejects.toThrow('1 / terms of "mean"')
  })

  it('tells what overflows', async () => {
    const wrong = loss((f: Tensor, y: Tensor) => sub(exp(f), f.mul(y)), { name: 'overflows' })
    await expect(checkLoss(wrong, check)).rejects.toThrow('value for outputs of ±10000: contains Infinity')
  })
})
