/** @file Networks whose parameters enter otherwise than as one layer's weight or bias, or through several losses. */
import { crossEntropy, mseLoss } from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import {
  add,
  type AnyTensor,
  concat,
  convTranspose,
  div,
  expand,
  matmul,
  mul,
  relu,
  reshape,
  sigmoid,
  slice,
  softmax,
  square,
  sum,
  tanh,
  type Tensor,
  transpose,
  transposeLast,
  zeros,
} from '@beyondgrad/tensor'
import { classifier, data, labels, type Network, of, regression, seeded, weight } from './network.ts'

/** Parameters that enter otherwise than as a layer's weight or bias. */
export const unusual: readonly Network[] = [
  regression('scale and shift', [4], [3], () => {
    const [g, b, w] = [weight('g', [4]), weight('b', [4]), weight('w', [4, 3])]
    return of([g, b, w], (x) => matmul(tanh(add(mul(x, g.value), b.value)), w.value))
  }),
  regression('one scale for all', [4], [3], () => {
    const [s, w] = [weight('s', []), weight('w', [4, 3])]
    return of([s, w], (x) => mul(tanh(matmul(x, w.value)), s.value))
  }),
  regression('positions learned', [3, 2], [3, 2], () => {
    const [p, w] = [weight('p', [3, 2]), weight('w', [2, 2])]
    return of([p, w], (x) => matmul(tanh(add(x, p.value)), w.value))
  }),
  regression('class token', [3, 2], [2], () => {
    const [token, w, v] = [weight('token', [1, 1, 2]), weight('w', [2, 3]), weight('v', [3, 2])]
    return of([token, w, v], (x) => {
      const all = concat([expand(token.value, [x.shape[0]!, 1, 2]), x], 1)
      return matmul(tanh(matmul(all, w.value)).mean([1]), v.value)
    })
  }),
  regression('attention over positions', [3, 2], [2], () => {
    const [q, k] = [weight('q', [2, 2]), weight('k', [2, 2])]
    return of([q, k], (x) => {
      const scores = matmul(matmul(x, q.value), transposeLast(matmul(x, k.value)))
      return sum(matmul(softmax(scores), x), [1])
    })
  }),
  regression('weight from the left, samples last inside', [3], [2], () => {
    const [w, v] = [weight('w', [4, 3]), weight('v', [2, 4])]
    return of([w, v], (x) => transpose(matmul(v.value, tanh(matmul(w.value, transpose(x))))))
  }),
  regression('learned output, whatever the input', [2], [3], () => {
    const b = weight('b', [3])
    return of([b], (x) => expand(b.value, [x.shape[0]!, 3]))
  }),
  regression('squared weight, straight to the loss', [3], [2], () => {
    const w = weight('w', [3, 2])
    return of([w], (x) => matmul(x, square(w.value)))
  }),
  regression('weight times itself', [2], [2], () => {
    const w = weight('w', [2, 2])
    return of([w], (x) => matmul(x, matmul(w.value, w.value)))
  }),
  regression('weight transposed, reshaped and cut out', [3], [2], () => {
    const w = weight('w', [3, 8])
    const v = weight('v', [2, 2, 2])
    return of([w, v], (x) => {
      const h = tanh(matmul(x, transpose(reshape(slice(w.value, 1, 2, 6), [4, 3]))))
      return matmul(h, transpose(reshape(v.value, [2, 4])))
    })
  }),
  regression('product of two weights', [3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [4, 2])]
    return of([w, v], (x) => tanh(matmul(x, matmul(w.value, v.value))))
  }),
  regression('normalised weight', [3], [2], () => {
    const w = weight('w', [3, 2])
    return of([w], (x) => tanh(matmul(x, div(w.value, sum(square(w.value), [0], { keep: true }).sqrt()))))
  }),
  regression('weights joined', [3], [4], () => {
    const [w, v] = [weight('w', [3, 1]), weight('v', [3, 3])]
    return of([w, v], (x) => tanh(matmul(x, concat([w.value, v.value], 1))))
  }),
  regression('a weight for every head', [2, 3], [2, 2], () => {
    const [w, v] = [weight('w', [2, 3, 4]), weight('v', [4, 1])]
    return of([w, v], (x) => {
      const heads = tanh(matmul(reshape(x, [x.shape[0]!, 1, 2, 3]), w.value))
      return reshape(matmul(heads, v.value), [x.shape[0]!, 2, 2])
    })
  }),
  regression('a weight for every head, from the left', [3, 2], [2, 4], () => {
    const w = weight('w', [2, 1, 4, 3])
    return of([w], (x) =>
      reshape(sum(tanh(matmul(w.value, x)), [-1]).transpose([1, 0, 2]), [x.shape[0]!, 2, 4]),
    )
  }),
  regression('transposed convolution in groups', [4, 3, 2], [4, 5], () => {
    const w = weight('w', [4, 2, 3, 2])
    const options = { groups: 2, stride: [2, 3], padding: [1, 0], outputPadding: [3, 0], dilation: [2, 1] }
    return of([w], (x) => sum(tanh(convTranspose(x, w.value, options)), [2]))
  }),
  regression('one projection split in three', [3, 2], [2], () => {
    const [w, b] = [weight('w', [6, 2]), weight('b', [6])]
    return of([w, b], (x) => {
      const [q, k, v] = [0, 2, 4].map((from) =>
        add(matmul(x, transpose(slice(w.value, 0, from, from + 2))), slice(b.value, 0, from, from + 2)),
      ) as [Tensor, Tensor, Tensor]
      return sum(matmul(softmax(matmul(q, transposeLast(k))), v), [1])
    })
  }),
  regression('weight that every sample bends', [3], [3], () => {
    const w = weight('w', [3])
    return of([w], (x) => tanh(mul(relu(x), square(w.value))))
  }),
]

export const tied: readonly Network[] = [
  regression('one weight used twice in a row', [3], [3], () => {
    const w = weight('w', [3, 3])
    return of([w], (x) => matmul(tanh(matmul(x, w.value)), w.value))
  }),
  regression('one weight and its transpose', [4], [4], () => {
    const [w, b] = [weight('w', [4, 2]), weight('b', [2])]
    return of([w, b], (x) => matmul(tanh(add(matmul(x, w.value), b.value)), transpose(w.value)))
  }),
  regression('one weight in two branches', [3], [2], () => {
    const [w, v] = [weight('w', [3, 4]), weight('v', [4, 2])]
    return of([w, v], (x) =>
      matmul(add(tanh(matmul(x, w.value)), sigmoid(matmul(square(x), w.value))), v.value),
    )
  }),
  classifier('one layer used three times', [3], 3, () => {
    const layer = Linear(3, 3, seeded(1))
    return Sequential(layer, Tanh(), layer, Tanh(), layer)
  }),
]

/** Linear combinations of losses, on parts of the output. */
export const combined: readonly Network[] = [
  {
    name: 'two losses with scales of their own',
    problem: (samples) => {
      return {
        model: Sequential(Linear(3, 4, seeded(1)), Tanh(), Linear(4, 5, seeded(2))),
        loss: (output, target: AnyTensor) => {
          const logits = slice(output, 1, 0, 3)
          const values = slice(output, 1, 3, 5)
          const first = crossEntropy(logits, target as Tensor<'int32'>, { reduction: 'sum' })
          return add(mul(first, 2), mul(mseLoss(values, zeros(values.shape), { reduction: 'sum' }), 0.3))
        },
        inputs: data('x', [samples, 3]),
        targets: labels(samples, 3),
      }
    },
  },
]
