/** @file The label of every kind of op, spelled out: sound, as the taint interpreter sees it, and not refused in vain. */
import { type AxisLabel, findSampleAxes } from '@beyondgrad/autograd'
import {
  abs,
  add,
  argmax,
  type AnyTensor,
  avgPool,
  cast,
  concat,
  conv,
  convWeight,
  cumsum,
  expand,
  flip,
  fold,
  gather,
  gatherElements,
  greater,
  guard,
  intTensor,
  logicalAnd,
  matmul,
  max,
  maxPool,
  maxPoolVjp,
  minimum,
  min,
  mul,
  pad,
  reshape,
  scatterAdd,
  scatterElementsAdd,
  slice,
  sort,
  sum,
  type Tensor,
  topIndices,
  topologicalOrder,
  transpose,
  unfold,
  where,
  windowOf,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { checkLabels } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'

interface Leaves {
  /** [n, 2, 4], samples on axis 0 */
  readonly x: Tensor
  /** [2, n, 4], samples on axis 1 */
  readonly y: Tensor
  /** [n, n], samples on axis 0 */
  readonly rows: Tensor
  /** [n, n], samples on axis 1 */
  readonly columns: Tensor
  /** [n, 2, 3, 3], samples on axis 0 */
  readonly image: Tensor
  /** Shared, of any shape. */
  readonly w: (...shape: number[]) => Tensor
  readonly n: number
}

function leavesFor(n: number): { readonly leaves: Leaves; readonly samples: ReadonlyMap<AnyTensor, number> } {
  const random = numbers(n)
  const of = (...shape: number[]): Tensor => randomTensor(shape, random)
  const [x, y, rows, columns, image] = [of(n, 2, 4), of(2, n, 4), of(n, n), of(n, n), of(n, 2, 3, 3)]
  return {
    leaves: { x, y, rows, columns, image, w: of, n },
    samples: new Map([
      [x, 0],
      [y, 1],
      [rows, 0],
      [columns, 1],
      [image, 0],
    ]),
  }
}

const whole = (axis: number): AxisLabel => ({ axis, outer: 1, inner: 1 })
const window = windowOf('test', [2, 2])

const cases: readonly (readonly [string, (at: Leaves) => AnyTensor, AxisLabel | 'mixed' | 'opaque'])[] = [
  ['a sum with a shared tensor', ({ x, w }) => add(x, w(4)), whole(0)],
  ['a sum of two with their samples in the same place', ({ x }) => add(x, x.neg()), whole(0)],
  ['a broadcast that moves the axis', ({ x, w }) => mul(x, w(5, 1, 1, 1)), whole(1)],
  ['a sum of two with their samples in different places', ({ rows, columns }) => add(rows, columns), 'mixed'],
  ['a matrix and its transpose', ({ rows }) => add(rows, transpose(rows)), 'mixed'],
  ['a choice', ({ x, w }) => where(greater(w(n0(x), 1, 1), 0), x, 0), whole(0)],
  ['what a guard lets through', ({ x, w }) => guard(x, w(2), { kind: 'finite', what: 'w' }), whole(0)],

  ['a reshape of the other axes', ({ x, n }) => reshape(x, [n, 8]), whole(0)],
  [
    'a reshape that appends to the samples',
    ({ x, n }) => reshape(x, [n * 2, 4]),
    { axis: 0, outer: 1, inner: 2 },
  ],
  ['a reshape to one axis', ({ x, n }) => reshape(x, [n * 8]), { axis: 0, outer: 1, inner: 8 }],
  [
    'a reshape that puts something before the samples',
    ({ y, n }) => reshape(y, [2 * n, 4]),
    { axis: 0, outer: 2, inner: 1 },
  ],
  [
    'a reshape with something on both sides',
    ({ y, n }) => reshape(y, [8 * n]),
    { axis: 0, outer: 2, inner: 4 },
  ],
  ['a reshape there and back', ({ y, n }) => reshape(reshape(y, [8 * n]).neg(), [2, n, 2, 2]), whole(1)],
  ['a reshape that cuts samples up', ({ x, n }) => reshape(x, [4, n * 2]), 'opaque'],
  ['a transpose', ({ x }) => transpose(x, [2, 0, 1]), whole(1)],
  ['an expansion in front', ({ x, n }) => expand(x, [3, n, 2, 4]), whole(1)],

  ['a reduction of another axis', ({ x }) => sum(x, [1]), whole(0)],
  ['a reduction of an axis before', ({ y }) => max(y, [0]), whole(0)],
  ['a reduction that keeps its axis', ({ y }) => sum(y, [0, 2], { keep: true }), whole(1)],
  ['positions of maxima', ({ y }) => argmax(y, 0), whole(0)],
  ['sums so far along another axis', ({ y }) => cumsum(y, 0), whole(1)],
  ['sums so far along the samples', ({ x }) => cumsum(x, 0), 'mixed'],
  ['the least along another axis', ({ x }) => min(x, [2]), whole(0)],
  ['logic', ({ x, w }) => logicalAnd(greater(x, 0), greater(w(4), 0)), whole(0)],
  ['a reduction of the samples', ({ x }) => sum(x, [0, 1]), 'mixed'],

  ['rows times a shared matrix', ({ x, w }) => matmul(x, w(4, 3)), whole(0)],
  ['a shared matrix times columns', ({ columns, w, n }) => matmul(w(n, n), columns), whole(1)],
  ['a batch of products', ({ x, w }) => matmul(w(3, 2), x), whole(0)],
  ['a product over the samples, from the left', ({ columns, w, n }) => matmul(columns, w(n, n)), 'mixed'],
  ['a product over the samples, from the right', ({ rows, w, n }) => matmul(w(n, n), rows), 'mixed'],
  ['every sample with every other', ({ rows, columns }) => matmul(rows, columns), 'mixed'],

  ['samples joined to samples', ({ x }) => concat([x, x], 0), { axis: 0, outer: 2, inner: 1 }],
  ['something shared joined to samples', ({ x, w, n }) => concat([x, w(n, 2, 4)], 0), 'opaque'],
  ['something shared joined to each sample', ({ x, w, n }) => concat([x, w(n, 1, 4)], 1), whole(0)],
  ['a whole round of samples', ({ x, n }) => slice(concat([x, x], 0), 0, n, 2 * n), whole(0)],
  ['a part of each sample', ({ x }) => slice(x, 2, 1, 3), whole(0)],
  ['a part of the samples', ({ x }) => slice(x, 0, 1), 'opaque'],
  ['every other sample', ({ x }) => slice(concat([x, x], 0), 0, 0, undefined, 2), 'opaque'],
  ['padding of each sample', ({ x }) => pad(x, [0, 1, 0], [0, 0, 2]), whole(0)],
  ['a round of padding', ({ x, n }) => pad(x, [n, 0, 0], [0, 0, 0]), { axis: 0, outer: 2, inner: 1 }],
  ['padding between samples', ({ x }) => pad(x, [1, 0, 0], [0, 0, 0]), 'opaque'],

  ['a convolution', ({ image, w }) => conv(image, w(3, 2, 2, 2)), whole(0)],
  ['a convolution with samples’ own weights', ({ w, image }) => conv(w(1, 2, 4, 4), image), 'opaque'],
  [
    'the cotangent of a convolution’s weight',
    ({ image, w, n }) => convWeight(image, w(n, 3, 2, 2), { ...window, groups: 1 }),
    'mixed',
  ],
  [
    'a shared table at each sample’s own positions',
    ({ x, w }) => gather(w(3, 5, 2), within(5, x), 1),
    whole(1),
  ],
  ['samples at shared positions on another axis', ({ y }) => gather(y, intTensor([[1], [0]]), 0), whole(2)],
  ['samples at a shared position', ({ y }) => gather(y, intTensor(1), 0), whole(0)],
  ['samples at shared positions on an axis behind', ({ x }) => gather(x, intTensor([3, 3]), 2), whole(0)],
  ['a choice of samples', ({ x }) => gather(x, intTensor([0, 0]), 0), 'opaque'],
  ['samples at positions of samples', ({ x, y }) => gather(y, within(4, x), 2), 'mixed'],
  ['sums at shared positions', ({ x, w }) => scatterAdd(x, within(2, w(2)), 1, 3), whole(0)],
  ['sums at one position for two axes', ({ y }) => scatterAdd(y, intTensor(0), 0, 2), whole(2)],
  ['sums over the samples', ({ x, w, n }) => scatterAdd(x, within(2, w(n)), 0, 2), 'mixed'],
  ['sums at positions of samples', ({ y, w, n }) => scatterAdd(w(2, n, 4), within(8, y), 0, 8), 'mixed'],
  [
    'elements at positions of samples',
    ({ x, w, n }) => gatherElements(w(n, 5, 4), within(5, x), 1),
    whole(0),
  ],
  ['elements of samples at their positions', ({ x }) => gatherElements(x, within(2, x), 2), whole(0)],
  ['elements of a shared row', ({ x, w }) => gatherElements(w(5, 2, 4), within(5, x), 0), whole(0)],
  ['elements along the samples', ({ x, w, n }) => gatherElements(x, within(n, w(n, 2, 4)), 0), 'opaque'],
  ['elements at positions along the samples', ({ x, n }) => gatherElements(x, within(n, x), 0), 'mixed'],
  [
    'elements of samples at positions of others',
    ({ rows, columns }) =>
      gatherElements(
        reshape(rows, [...rows.shape, 1]),
        within(1, reshape(columns, [...columns.shape, 1])),
        2,
      ),
    'mixed',
  ],
  ['sums of elements', ({ x }) => scatterElementsAdd(x, within(2, x), 1, 2), whole(0)],
  [
    'sums of elements along the samples',
    ({ x, w, n }) => scatterElementsAdd(x, within(2, w(n, 2, 4)), 0, 2),
    'mixed',
  ],
  ['positions of the largest', ({ y }) => topIndices(y, 1, 0), whole(1)],
  ['positions of the largest samples', ({ y }) => topIndices(y, 1, 1), 'mixed'],
  ['sorted entries of each sample', ({ x }) => sort(x, 2), whole(0)],
  ['reversed entries of each sample', ({ x }) => flip(x, [1, 2]), whole(0)],
  ['reversed samples', ({ x }) => flip(x, [0]), 'opaque'],

  ['pools', ({ image }) => avgPool(maxPool(image, [2, 2], { stride: 1 }), [2, 2]), whole(0)],
  ['windows, and back', ({ image }) => fold(unfold(image, window).tanh(), window, [3, 3]), whole(0)],
  [
    'a selection with columns in front',
    ({ image, w, n }) => maxPoolVjp(image, w(5, n, 2, 2, 2), window),
    whole(1),
  ],
  ['a pool whose channels are the samples', ({ y }) => maxPool(y, [2]), 'opaque'],
]

/** Positions on an axis of a size, made of anything. */
const within = (size: number, x: Tensor): Tensor<'int32'> =>
  minimum<'int32'>(cast(abs(x).mul(size), 'int32'), size - 1)

const n0 = (x: Tensor): number => x.shape[0]!

describe('the label of', () => {
  it.each(cases)('%s', async (_name, build, expected) => {
    const { leaves, samples } = leavesFor(3)
    const node = build(leaves)
    const axis = findSampleAxes(topologicalOrder([node]), [], 3, samples).of(node)
    if (typeof expected === 'string')
      expect(axis).toMatchObject({ kind: expected, at: { op: { name: node.op.name } } })
    else expect(axis).toEqual(expected)
    await checkLabels((n) => {
      const at = leavesFor(n)
      return { outputs: [], others: [build(at.leaves)], samples: at.samples }
    })
  })
})
