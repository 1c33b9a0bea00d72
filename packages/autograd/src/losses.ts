/** @file The losses themselves: cross-entropy, squared error, binary cross-entropy of logits. */
import {
  type AnyTensor,
  BeyondgradError,
  cast,
  concat,
  constant,
  exp,
  expand,
  eye,
  formatShape,
  full,
  guard,
  iota,
  less,
  log,
  logSoftmax,
  matmul,
  maximum,
  mul,
  neg,
  oneHot,
  random,
  reshape,
  sameShape,
  sigmoid,
  sizeOf,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  unsqueeze,
} from '@beyondgrad/tensor'
import { defineLoss, type LossNode, type Reduction } from './loss.ts'

/** Target indices as [N, C] indicators. */
const indicators = (output: Tensor, target: AnyTensor): Tensor =>
  oneHot(cast(target, 'int32'), output.shape.at(-1)!)

const crossEntropyNode = /* @__PURE__ */ defineLoss({
  name: 'cross-entropy',
  sum: ({ output, target }) => mul(sum(mul(indicators(output, target), logSoftmax(output))), -1),
  terms: ({ output }) => output.shape[0]!,
  // The Cholesky factor of diag(p) − p pᵀ in closed form: C − 1 columns,
  // L_kk = √(p_k r_k / q_k), L_jk = −p_j √(p_k / (q_k r_k)) for j > k, with r_k = Σ_{j>k} p_j and q_k = r_k + p_k.
  hessianRoot: ({ output }) => {
    const classes = output.shape.at(-1)!
    const p = softmax(output)
    const rest = matmul(p, strictlyLower(classes))
    // Where nothing is left, 0 / 0 must be 0.
    const tiny = 1e-30
    const r = rest.add(tiny)
    const q = rest.add(p).add(tiny)
    const diagonal = sqrt(p.mul(rest.div(q)))
    const below = sqrt(p.div(q).div(r))
    // [C, N, C]: column k has `diagonal` at k and −p_j · `below` after it.
    const at = unsqueeze(eye(classes), [1])
    const after = unsqueeze(strictlyUpper(classes), [1])
    const root = classesFirst(diagonal).mul(at).sub(classesFirst(below).mul(p).mul(after))
    return classes === 1 ? root : root.slice(0, 0, classes - 1)
  },
  // p − onehot(y), y drawn from the model's own distribution.
  sampleRoot: ({ output }, { draws, seed }) => {
    const [n, classes] = output.shape as [number, number]
    const p = softmax(output)
    const reached = matmul(p, upperWithDiagonal(classes))
    const u = random([draws, n, 1], { distribution: 'uniform', seed, stream: 'cross-entropy' })
    // Class y is drawn when cum_{y−1} ≤ u < cum_y; the last class takes what rounding leaves over.
    const last = reshape(less<'int32'>(iota(classes), classes - 1), [1, 1, classes])
    const passed = cast(less(reached, u), 'float32').mul(cast(last, 'float32'))
    const drawn = sub(shiftRight(passed), passed)
    return sub(p, drawn).mul(1 / Math.sqrt(draws))
  },
})

/** [N, C] → [C, N, 1]. */
const classesFirst = (x: Tensor): Tensor => unsqueeze(x.transpose([1, 0]), [2])

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

const squaredErrorNode = /* @__PURE__ */ defineLoss({
  name: 'mse',
  sum: ({ output, target }) => sum(square(sub(output, target as Tensor))),
  terms: ({ output }) => sizeOf(output.shape),
  hessianRoot: ({ output }) => unitColumns(output, Math.SQRT2),
  // 2 (f − y), y ~ N(f, ½): √2 times a standard normal.
  sampleRoot: ({ output }, { draws, seed }) =>
    random(drawsFor(output, draws), { distribution: 'normal', seed, stream: 'mse' }).mul(
      Math.SQRT2 / Math.sqrt(draws),
    ),
})

const logisticNode = /* @__PURE__ */ defineLoss({
  name: 'bce-with-logits',
  // log(1 + e^f) − f y. The shift m keeps exp from overflowing and cancels in every derivative, at f = 0 too.
  sum: ({ output, target }) => {
    const m = maximum(output, 0)
    const rest = log(exp(output.sub(m)).add(exp(neg(m))))
    // The large parts first: where they cancel, what is left is `rest`.
    return sum(m.sub(output.mul(target as Tensor)).add(rest))
  },
  terms: ({ output }) => sizeOf(output.shape),
  hessianRoot: ({ output }) => {
    const s = sigmoid(output)
    return mul(unitColumns(output, 1), sqrt(s.mul(sub(1, s))))
  },
  // σ(f) − y, y drawn from Bernoulli(σ(f)).
  sampleRoot: ({ output }, { draws, seed }) => {
    const s = sigmoid(output)
    const u = random(drawsFor(output, draws), { distribution: 'uniform', seed, stream: 'bce-with-logits' })
    return sub(s, cast(less(u, s), 'float32')).mul(1 / Math.sqrt(draws))
  },
})

/** [draws, ...output.shape], as random leaves want it. */
function drawsFor(output: Tensor, draws: number): readonly [number, number, ...number[]] {
  const [samples, ...rest] = output.shape as [number, ...number[]]
  return [draws, samples, ...rest]
}

/** One column for each entry of a sample's output, times a number: [D, N, …]. */
function unitColumns(output: Tensor, scale: number): Tensor {
  const [n, ...rest] = output.shape as [number, ...number[]]
  const size = sizeOf(rest)
  const units = reshape(mul(eye(size), scale), [size, 1, ...rest])
  return expand(units, [size, n, ...rest])
}

export interface LossOptions {
  /** Default: "mean". */
  readonly reduction?: Reduction
}

function checkReduction(name: string, reduction: string): void {
  if (reduction !== 'mean' && reduction !== 'sum') {
    throw new BeyondgradError('value', `${name}: reduction is "mean" or "sum", not "${reduction}"`)
  }
}

function checkSamples(name: string, output: Tensor): void {
  if (output.shape.length === 0) {
    throw new BeyondgradError(
      'shape',
      `${name}: the output is a single number; it must have an axis of samples, [N, ...]`,
    )
  }
  if (sizeOf(output.shape) === 0) {
    throw new BeyondgradError(
      'shape',
      `${name}: the output has shape ${formatShape(output.shape)}: an empty batch has no loss; skip it`,
    )
  }
}

/**
 * Softmax cross-entropy −Σₙ log p(targetₙ) of logits and class indices; "mean" divides by N.
 *
 * @param output logits [N, C]
 * @param target class indices [N], checked at every run
 */
export function crossEntropy(output: Tensor, target: Tensor<'int32'>, options: LossOptions = {}): Tensor {
  const { reduction = 'mean' } = options
  checkReduction('crossEntropy', reduction)
  checkSamples('crossEntropy', output)
  if (output.shape.length !== 2 || !sameShape(target.shape, [output.shape[0]!])) {
    throw new BeyondgradError(
      'shape',
      `crossEntropy: expects logits [N, C] and class indices [N], got ${formatShape(output.shape)} and ${formatShape(target.shape)}`,
    )
  }
  if (target.dtype !== 'int32') {
    throw new BeyondgradError(
      'dtype',
      `crossEntropy: class indices must be int32, not ${String(target.dtype)}; use intTensor() or cast()`,
    )
  }
  const range = { kind: 'range', what: 'crossEntropy: the target', from: 0, below: output.shape[1]! } as const
  return guard(crossEntropyNode({ output, target }, reduction), target, range)
}

function elementwiseLoss(
  name: string,
  node: LossNode,
  output: Tensor,
  target: Tensor,
  { reduction = 'mean' }: LossOptions,
): Tensor {
  checkReduction(name, reduction)
  checkSamples(name, output)
  if (!sameShape(output.shape, target.shape) || target.dtype !== output.dtype) {
    throw new BeyondgradError(
      'shape',
      `${name}: output and target must have the same shape and dtype, got ${output.dtype} ${formatShape(output.shape)} and ${target.dtype} ${formatShape(target.shape)}`,
    )
  }
  return node({ output, target }, reduction)
}

/**
 * Squared error Σ (output − target)²; "mean" divides by the number of entries, as PyTorch does.
 *
 * @param output [N, ...]
 * @param target of the same shape and dtype
 */
export function mseLoss(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return elementwiseLoss('mseLoss', squaredErrorNode, output, target, options)
}

/**
 * Binary cross-entropy Σ log(1 + eᶠ) − f y of logits f; "mean" divides by the number of entries.
 *
 * @param output logits [N, ...]
 * @param target y in [0, 1], of the same shape and dtype
 */
export function bceWithLogits(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return elementwiseLoss('bceWithLogits', logisticNode, output, target, options)
}
