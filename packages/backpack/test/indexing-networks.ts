/** @file Networks that read by index: tables of parameters at each sample's own positions, and choices within a sample. */
import {
  abs,
  cast,
  constant,
  flip,
  gather,
  gatherElements,
  intTensor,
  matmul,
  minimum,
  scatterAdd,
  sort,
  tanh,
  type Tensor,
  topIndices,
} from '@beyondgrad/tensor'
import { type Network, of, regression, weight } from './network.ts'

/** Positions below `size`, made of the input. */
const tokens = (x: Tensor, size: number): Tensor<'int32'> =>
  minimum<'int32'>(cast(abs(x).mul(3), 'int32'), size - 1)

export const indexing: readonly Network[] = [
  regression('embedding', [4], [3], () => {
    const [table, w] = [weight('table', [5, 2]), weight('w', [2, 3])]
    return of([table, w], (x) => matmul(tanh(gather(table.value, tokens(x, 5), 0)).mean([1]), w.value))
  }),
  regression('embedding whose table is the output’s weight, too', [3], [5], () => {
    const table = weight('table', [5, 2])
    return of([table], (x) =>
      matmul(tanh(gather(table.value, tokens(x, 5))).sum([1]), table.value.transpose()),
    )
  }),
  regression('elements of a row of parameters', [4], [4], () => {
    const [row, w] = [weight('row', [1, 5]), weight('w', [4, 4])]
    return of([row, w], (x) =>
      tanh(matmul(gatherElements(row.value.expand([x.shape[0]!, 5]), tokens(x, 5), 1), w.value)),
    )
  }),
  regression('activations chosen twice, reversed and sorted', [3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [3, 2])]
    return of([w, v], (x) => {
      const hidden = tanh(matmul(x, w.value))
      const chosen = gather(flip(hidden, [1]), constant([0, 2, 0], 'int32'), 1)
      return matmul(sort(tanh(chosen), 1), v.value)
    })
  }),
  regression('the two largest activations, added to two places', [3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [3, 2])]
    return of([w, v], (x) => {
      const hidden = tanh(matmul(x, w.value))
      const top = gatherElements(hidden, topIndices(hidden, 2), 1)
      return matmul(tanh(scatterAdd(top, intTensor([2, 0]), 1, 3)), v.value)
    })
  }),
  regression('activations added to one place', [3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [2, 2])]
    return of([w, v], (x) => {
      const added = scatterAdd(tanh(matmul(x, w.value)), intTensor([0, 1, 1, 0]), 1, 2)
      return matmul(tanh(added), v.value)
    })
  }),
  regression('a weight that is reversed', [3], [2], () => {
    const w = weight('w', [3, 2])
    return of([w], (x) => tanh(matmul(x, flip(w.value))))
  }),
  regression('a weight some of whose rows are used twice', [3], [2], () => {
    const w = weight('w', [2, 2])
    return of([w], (x) => tanh(matmul(x, gather(w.value, intTensor([1, 0, 1])))))
  }),
]
