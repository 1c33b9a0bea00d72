/** @file Ops that are wrong on purpose: a check that accepts them checks nothing. */
import {
  type AnyTensor,
  build,
  composite,
  defineComposite,
  mul,
  type Op,
  square,
  type Tensor,
} from '@beyondgrad/tensor'

const cubedOp = defineComposite({
  name: 'square that is computed as a cube',
  alternatives: [
    { name: 'plain', expand: ([x]) => square(x as Tensor) },
    { name: 'chosen', expand: ([x]) => mul(square(x as Tensor), x as Tensor) },
  ],
  choose: (node) => node.op.alternatives![1]!,
})

/** Its value is x³; derivatives and `vmap` are made of x². */
export const misleading = (x: Tensor): Tensor => composite(cubedOp, [x])

const reversedOp: Op = {
  // The rules of autograd go by the name.
  name: 'neg',
  family: 'window',
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  kernel: ([x]) => x!.data.slice().reverse(),
}

/** Reverses all elements, with the label rule of `neg`. */
export const mislabelled = (x: AnyTensor): Tensor => build(reversedOp, [x])

const detachedOp: Op = {
  name: 'sign',
  family: 'elementwise',
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  kernel: ([x]) => x!.data.slice(),
}

/** The identity, with the derivative of `sign`: none. */
export const detached = (x: Tensor): Tensor => build(detachedOp, [x])
