import { evaluate, intTensor, sum, tensor, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { bceWithLogits, crossEntropy, gradient, hessian, mseLoss } from '../src/index.ts'
import { lossOf, lossParts } from '../src/loss.ts'
import { type CurvedLoss, drawnColumns, exactColumns, type StartingColumns } from '../src/loss-columns.ts'

const logits = tensor([
  [0.5, -1, 2],
  [3, 0, -0.5],
])
const classes = intTensor([2, 1])
const goals = tensor([
  [1, 0, 0.25],
  [0, 1, 0.5],
])

const list = async (x: Tensor): Promise<number[]> => Array.from((await x.read()).data)
const softmax = (row: readonly number[]): number[] => {
  const exps = row.map(Math.exp)
  const total = exps.reduce((a, b) => a + b, 0)
  return exps.map((e) => e / total)
}

interface Case {
  readonly name: string
  readonly loss: (output: Tensor, reduction: 'mean' | 'sum') => Tensor
  readonly sum: number
  readonly terms: number
  readonly columns: number
}

const sigmoid = (f: number): number => 1 / (1 + Math.exp(-f))
const rows = [
  [0.5, -1, 2],
  [3, 0, -0.5],
]
const wanted = [1, 0, 0.25, 0, 1, 0.5]

const cases: readonly Case[] = [
  {
    name: 'crossEntropy',
    loss: (output, reduction) => crossEntropy(output, classes, { reduction }),
    sum: -Math.log(softmax(rows[0]!)[2]!) - Math.log(softmax(rows[1]!)[1]!),
    terms: 2,
    columns: 2,
  },
  {
    name: 'mseLoss',
    loss: (output, reduction) => mseLoss(output, goals, { reduction }),
    sum: rows.flat().reduce((total, f, i) => total + (f - wanted[i]!) ** 2, 0),
    terms: 6,
    columns: 3,
  },
  {
    name: 'bceWithLogits',
    loss: (output, reduction) => bceWithLogits(output, goals, { reduction }),
    sum: rows.flat().reduce((total, f, i) => {
      const p = sigmoid(f)
      return total - wanted[i]! * Math.log(p) - (1 - wanted[i]!) * Math.log(1 - p)
    }, 0),
    terms: 6,
    columns: 3,
  },
]

/** The node under a guard, as second order sees it. */
function curved(loss: Tensor): CurvedLoss {
  const node = loss.op.name === 'guard' ? loss.inputs[0]! : loss
  return { definition: lossOf(node)!, ...lossParts(node) }
}

const all = ({ at, total }: StartingColumns): Tensor => at(0, total)

/** Σᵥ S Sᵀ for each sample: N blocks of C × C. */
async function outerProducts(columns: Tensor): Promise<number[][]> {
  const { shape, data } = await columns.read()
  const [count, n, c] = shape as [number, number, number]
  return Array.from({ length: n }, (_, sample) =>
    Array.from({ length: c * c }, (__, ij) => {
      let total = 0
      for (let column = 0; column < count; column++) {
        const at = (column * n + sample) * c
        total += data[at + Math.floor(ij / c)]! * data[at + (ij % c)]!
      }
      return total
    }),
  )
}

/** The blocks of ∇² of the sum with respect to each sample's output. */
async function hessianBlocks(loss: Tensor): Promise<number[][]> {
  const data = await list(hessian(loss, logits))
  return [0, 1].map((n) =>
    Array.from({ length: 9 }, (_, ij) => data[(n * 3 + Math.floor(ij / 3)) * 6 + n * 3 + (ij % 3)]!),
  )
}

describe.each(cases)('$name', ({ loss, sum: total, terms, columns }) => {
  it('is what a hand computes, summed or averaged over its terms', async () => {
    expect(await loss(logits, 'sum').item()).toBeCloseTo(total, 6)
    expect(await loss(logits, 'mean').item()).toBeCloseTo(total / terms, 6)
  })

  it('knows a square root of its Hessian', async () => {
    const root = all(exactColumns(curved(loss(logits, 'sum'))))
    expect(root.shape).toEqual([columns, 2, 3])
    const [found, expected] = [await outerProducts(root), await hessianBlocks(loss(logits, 'sum'))]
    found.flat().forEach((value, i) => expect(value).toBeCloseTo(expected.flat()[i]!, 9))
  })

  it('draws columns whose outer products average to its Hessian', async () => {
    const drawn = all(drawnColumns(curved(loss(logits, 'sum')), { draws: 20_000, seed: 1 }, 'test'))
    const [found, expected] = [await outerProducts(drawn), await hessianBlocks(loss(logits, 'sum'))]
    found.flat().forEach((value, i) => expect(Math.abs(value - expected.flat()[i]!)).toBeLessThan(0.05))
  })

  it('stays finite for outputs far away', async () => {
    const far = tensor([
      [800, -800, 0],
      [-800, 800, 800],
    ])
    const value = loss(far, 'sum')
    const { slope, root, l } = await evaluate({
      l: value,
      slope: gradient(value, [far])[0]!,
      root: all(exactColumns(curved(value))),
    })
    for (const { data } of [slope, root, l]) expect(Array.from(data).every(Number.isFinite)).toBe(true)
  })
})

describe('losses', () => {
  it('average their gradients with them', async () => {
    const [mean, total] = (['mean', 'sum'] as const).map((reduction) =>
      gradient(crossEntropy(logits, classes, { reduction }), [logits]),
    )
    const [one, other] = [await list(mean![0]!), await list(total![0]!)]
    one.forEach((value, i) => expect(value).toBeCloseTo(other[i]! / 2, 12))
    const p = rows.map(softmax)
    expect(other[0]).toBeCloseTo(p[0]![0]!, 9)
    expect(other[2]).toBeCloseTo(p[0]![2]! - 1, 9)
  })

  it('of a single class are nothing', async () => {
    const one = tensor([[3], [-1]])
    const loss = crossEntropy(one, intTensor([0, 0]))
    const { value, slope, root } = await evaluate({
      value: loss,
      slope: gradient(loss, [one])[0]!,
      root: sum(all(exactColumns(curved(loss))).square()),
    })
    expect(value.data[0]).toBeCloseTo(0, 12)
    expect(Array.from(slope.data).every((g) => Math.abs(g) < 1e-12)).toBe(true)
    expect(root.data[0]).toBeCloseTo(0, 12)
  })

  it('check the data of their targets through derivatives, too', async () => {
    const wrong = crossEntropy(logits, intTensor([0, 3]))
    await expect(gradient(wrong, [logits])[0]!.read()).rejects.toThrow(
      'crossEntropy: the target contains 3 at [1], which is not an integer from 0 to 2',
    )
  })
})
