/** @file Probabilities of classes on the last axis: the root of diag(p) − p pᵀ, draws from them, and what indices pick. */
import {
  type AnyTensor,
  cast,
  concat,
  constant,
  equal,
  eye,
  full,
  iota,
  less,
  matmul,
  oneHot,
  random,
  reshape,
  softmax,
  sqrt,
  sub,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '@beyondgrad/tensor'
import type { Sampling } from '../loss.ts'

/** Target indices as indicators over the classes. */
export const indicators = (output: Tensor, target: AnyTensor): Tensor =>
  oneHot(target as Tensor<'int32'>, output.shape.at(-1)!)

/** What x [N, …, C] has at the targets [N, …]; 0 where a target is no class. An infinite x elsewhere does no harm. */
export function ofTargets(x: Tensor, target: Tensor<'int32'>): Tensor {
  const classes = reshape(iota(x.shape.at(-1)!), [...target.shape.map(() => 1), -1])
  return sum(where(equal<'int32'>(unsqueeze(target, [-1]), classes), x, 0), [-1])
}

/** √Σ over the classes. */
export const rootOfMass = (target: Tensor): Tensor => sqrt(sum(target, [-1], { keep: true }))

/**
 * The Cholesky factor of diag(p) − p pᵀ in closed form: C − 1 columns,
 * L_kk = √(p_k r_k / q_k), L_jk = −p_j √(p_k / (q_k r_k)) for j > k, with r_k = Σ_{j>k} p_j and q_k = r_k + p_k.
 *
 * @returns [C − 1, N, …, C]; one column of zeros for a single class
 */
export function categoricalRoot(output: Tensor): Tensor {
  const classes = output.shape.at(-1)!
  const p = softmax(output)
  const rest = matmul(p, strictlyLower(classes))
  // Where nothing is left, 0 / 0 must be 0.
  const tiny = 1e-30
  const r = rest.add(tiny)
  const q = rest.add(p).add(tiny)
  const diagonal = sqrt(p.mul(rest.div(q)))
  const below = sqrt(p.div(q).div(r))
  // [C, N, …, C]: column k has `diagonal` at k and −p_j · `below` after it.
  const others = Array.from({ length: output.shape.length - 1 }, (_, i) => i + 1)
  const at = unsqueeze(eye(classes), others)
  const after = unsqueeze(strictlyUpper(classes), others)
  const root = classesFirst(diagonal).mul(at).sub(classesFirst(below).mul(p).mul(after))
  return classes === 1 ? root : root.slice(0, 0, classes - 1)
}

/** p − onehot(y), y drawn from the model's own distribution, at every position: [draws, N, …, C]. */
export function categoricalSample(output: Tensor, { draws, seed }: Sampling): Tensor {
  const [n, ...rest] = output.shape as [number, ...number[]]
  const positions = rest.slice(0, -1)
  const classes = output.shape.at(-1)!
  const p = softmax(output)
  const reached = matmul(p, upperWithDiagonal(classes))
  const u = random([draws, n, ...positions, 1], { distribution: 'uniform', seed, stream: 'cross-entropy' })
  // Class y is drawn when cum_{y−1} ≤ u < cum_y; the last class takes what rounding leaves over.
  const last = reshape(less<'int32'>(iota(classes), classes - 1), [
    1,
    ...output.shape.slice(1).map(() => 1),
    classes,
  ])
  const passed = cast(less(reached, u), 'float32').mul(cast(last, 'float32'))
  const drawn = sub(shiftRight(passed), passed)
  return sub(p, drawn).mul(1 / Math.sqrt(draws))
}

/** [N, …, C] → [C, N, …, 1]. */
function classesFirst(x: Tensor): Tensor {
  const last = x.shape.length - 1
  return unsqueeze(transpose(x, [last, ...Array.from({ length: last }, (_, i) => i)]), [last + 1])
}

const triangle = (size: number, holds: (row: number, column: number) => boolean): Tensor => {
  const rows = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => (holds(i, j) ? 1 : 0)),
  )
  return constant(rows)
}

/** M[j, k] = 1 for j > k: p M sums what comes after k. */
const strictlyLower = (size: number): Tensor => triangle(size, (row, column) => row > column)
const strictlyUpper = (size: number): Tensor => triangle(size, (row, column) => column > row)
const upperWithDiagonal = (size: number): Tensor => triangle(size, (row, column) => column >= row)

/** 1 before the first entry, everything one place to the right. */
function shiftRight(x: Tensor): Tensor {
  const rank = x.shape.length
  const first = full([...x.shape.slice(0, -1), 1], 1)
  return concat([first, x.slice(rank - 1, 0, x.shape.at(-1)! - 1)], rank - 1)
}
