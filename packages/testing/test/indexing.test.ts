/** @file Rules of indexing and sorting one by one: derivatives, batching with and without own indices, curvature. */
import { gradient, hessian } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  evaluate,
  flip,
  gather,
  gatherElements,
  gatherND,
  intTensor,
  referenceEngine,
  scatterAdd,
  scatterElements,
  scatterElementsAdd,
  scatterND,
  type ScatterReduction,
  type Shape,
  sizeOf,
  slice,
  sort,
  tensor,
  type Tensor,
  topK,
  vmap,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { checkLabels, checkRule, checkVmap } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'

const random = numbers(3)
const of = (...shape: number[]): Tensor => randomTensor(shape, random)
const indices = (shape: Shape, size: number): Tensor<'int32'> =>
  tensor(
    Int32Array.from({ length: sizeOf(shape) }, () => random.between(-size, size - 1)),
    { shape, dtype: 'int32' },
  )

type Indexed = (x: Tensor, at: Tensor<'int32'>) => Tensor
const cases: readonly (readonly [string, Indexed, Tensor, Tensor<'int32'>])[] = [
  ['gather', (x, at) => gather(x, at, 1), of(2, 4, 3), indices([2, 3], 4)],
  ['gather at one position', (x, at) => gather(x, at, 2), of(2, 4, 3), indices([], 3)],
  ['gather, squared', (x, at) => gather(x, at).square(), of(4), indices([6], 4)],
  ['gatherElements', (x, at) => gatherElements(x, at, 1), of(2, 4, 3), indices([2, 5, 3], 4)],
  ['gatherElements of a part', (x, at) => gatherElements(x, at, 1), of(3, 4, 3), indices([2, 2, 1], 4)],
  ['gatherND', (x, at) => gatherND(x, at, 1), of(2, 3, 3), indices([2, 4, 2], 3)],
  ['scatterAdd', (x, at) => scatterAdd(x, at, 1, 3), of(2, 4, 2, 3), indices([4, 2], 3)],
  ['scatterAdd, squared', (x, at) => scatterAdd(x, at, 0, 2).square(), of(5), indices([5], 2)],
  ['scatterElementsAdd', (x, at) => scatterElementsAdd(x, at, 0, 3), of(4, 2), indices([4, 2], 3)],
]

describe('indexing has right derivatives and batches', () => {
  it.each(cases)('%s', async (_name, fn, x, at) => {
    await checkRule(fn, [x, at])
  })

  it.each<ScatterReduction>(['none', 'add', 'mul', 'max', 'min'])(
    'scatterElements, %s',
    async (reduction) => {
      const at = indices([3, 4], 3)
      await checkRule((x, updates) => scatterElements(x, at, updates, 0, { reduction }), [of(3, 5), of(3, 4)])
      const places = indices([4, 1], 3)
      await checkRule((x, updates) => scatterND(x, places, updates, { reduction }), [of(3, 2), of(4, 2)])
    },
  )

  it('sort, topK and flip', async () => {
    const x = of(3, 4, 2)
    await checkRule((t) => sort(t, 1), [x])
    await checkRule((t) => topK(t, 2, 1, { largest: false }).values.square(), [x])
    await checkRule((t) => flip(t, [0, 2]), [x])
    await checkRule((t) => slice(t, 1, -1, 0, -2), [x])
  })
})

it('examples have indices of their own, in data of their own or in shared ones', async () => {
  const at = indices([5, 3, 2], 4)
  const elements = indices([5, 2, 6, 3], 4)
  await checkVmap((x: Tensor, i: Tensor<'int32'>) => gather(x, i, 1), [of(2, 5, 4, 3), at], [1, 0])
  await checkVmap((x: Tensor, i: Tensor<'int32'>) => gather(x, i, 1), [of(2, 4, 3), at], [null, 0])
  await checkVmap(
    (x: Tensor, i: Tensor<'int32'>) => gatherElements(x, i, 1),
    [of(2, 4, 3), elements],
    [null, 0],
  )
  await checkVmap((x: Tensor, i: Tensor<'int32'>) => scatterAdd(x, i, 1, 4), [of(2, 3, 2, 3, 5), at], [4, 0])
  await checkVmap((x: Tensor, i: Tensor<'int32'>) => scatterAdd(x, i, 0, 4), [of(3, 2, 2), at], [null, 0])
})

it('a batch is one op, not one for each example', () => {
  const names = (x: AnyTensor): string[] => [x.op.name, ...x.inputs.flatMap(names)]
  const lifted = vmap((x: Tensor, i: Tensor<'int32'>) => gather(x, i, 0))(of(50, 4, 3), indices([50, 6], 4))
  expect(names(lifted).filter((name) => name === 'gather')).toHaveLength(1)
})

it('derivatives are guarded as the values are', async () => {
  const weight = of(4, 2)
  const tokens = intTensor([0, 9])
  const loss = gather(weight, tokens).square().sum()
  const [slope] = gradient(loss, [weight])
  const engine = referenceEngine()
  for (const y of [slope!, hessian(loss, weight)]) {
    await expect(evaluate({ y }, { engine })).rejects.toThrow('gather: the index contains 9 at [1]')
  }
})

it('the cotangent of a table that all samples share has no samples', async () => {
  const weight = of(6, 4)
  const report = await checkLabels((n) => {
    const x = of(n, 3)
    const tokens = indices([n, 3], 6)
    const [slope] = gradient(gather(weight, tokens).square().sum(), [weight])
    return {
      outputs: [gather(weight, tokens).mul(x.reshape([n, 3, 1]))],
      others: [slope!],
      samples: new Map<AnyTensor, number>([[tokens, 0]]),
    }
  })
  expect(report.falseAlarms + report.opaque).toBe(0)
})
