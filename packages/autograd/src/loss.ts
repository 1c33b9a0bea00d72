/**
 * @file Losses that know their curvature: a marked node whose value is c · Σₙ ℓ(outputₙ, targetₙ), and what second
 * order needs beyond the value – a square root of the Hessian with respect to the output, and a sampler of columns
 * whose outer products average to it. Formulas: specs in the docs, section "Loss Hessian".
 */
import {
  type AnyTensor,
  BeyondgradError,
  build,
  cast,
  concat,
  constant,
  defineComposite,
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
  type Op,
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

export type Reduction = 'mean' | 'sum'

/** What a loss looks at, and its scale c is 1 / terms under "mean". */
export interface LossInputs {
  /** [N, …]: axis 0 counts the samples. */
  readonly output: Tensor
  readonly target: AnyTensor
}

/** How Monte-Carlo columns are drawn: `draws` independent ones for each sample. */
export interface Sampling {
  readonly draws: number
  readonly seed: number
}

export interface LossDefinition {
  readonly name: string
  /** Σₙ ℓₙ, unscaled. */
  sum(inputs: LossInputs): Tensor
  /** How many terms the mean is over. */
  terms(inputs: LossInputs): number
  /** Columns S [V, ...output.shape] with Σᵥ S Sᵀ = ∇²ℓ for every sample. */
  hessianRoot(inputs: LossInputs): Tensor
  /** Random columns [draws, ...output.shape] with E[Σ over draws of S Sᵀ] = ∇²ℓ for every sample. */
  sampleRoot(inputs: LossInputs, sampling: Sampling): Tensor
}

/** The op of a marked loss node; inputs are output and target. */
export interface LossOp extends Op {
  readonly loss: LossDefinition
}

export function lossOf(node: AnyTensor): LossDefinition | undefined {
  return (node.op as Partial<LossOp>).loss
}

/** The number that the terms of a loss node are multiplied with: 1 / terms, or 1. */
export function lossScale(node: AnyTensor): number {
  const [output, target] = node.inputs as [Tensor, AnyTensor]
  return node.attributes.reduction === 'mean' ? 1 / lossOf(node)!.terms({ output, target }) : 1
}

/** Marks a loss; the result builds nodes of it. */
function defineLoss(loss: LossDefinition): (inputs: LossInputs, reduction: Reduction) => Tensor {
  const op: LossOp = {
    ...defineComposite({
      name: `loss:${loss.name}`,
      alternatives: [
        {
          name: 'value',
          expand: ([output, target], { reduction }) => {
            const inputs = { output: output as Tensor, target: target! }
            const total = loss.sum(inputs)
            return reduction === 'mean' ? mul(total, 1 / loss.terms(inputs)) : total
          },
        },
      ],
    }),
    loss,
  }
  return ({ output, target }, reduction) => build(op, [output, target], { reduction })
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
    const after = matmul(p, strictlyLower(classes))
    const tiny = 1e-30
    const r = after.add(tiny)
    const q = after.add(p).add(tiny)
    const diagonal = sqrt(p.mul(after.div(q)))
    const below = sqrt(p.div(q).div(r))
    const columns = transposeFirst(diagonal)
    const scales = transposeFirst(below)
    // [C, N, C]: column k has `diagonal` at k and −p_j · `below` after it.
    const unit = unsqueeze(eye(classes), [1])
    const later = unsqueeze(strictlyUpper(classes), [1])
    const root = columns.mul(unit).sub(scales.mul(p).mul(later))
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
const transposeFirst = (x: Tensor): Tensor => unsqueeze(x.transpose([1, 0]), [2])

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
    random([draws, output.shape[0]!, ...output.shape.slice(1)], {
      distribution: 'normal',
      seed,
      stream: 'mse',
    }).mul(Math.SQRT2 / Math.sqrt(draws)),
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
  sampleRoot: ({ output }, { draws, seed }) => {
    const s = sigmoid(output)
    const u = random([draws, output.shape[0]!, ...output.shape.slice(1)], {
      distribution: 'uniform',
      seed,
      stream: 'bce-with-logits',
    })
    return sub(s, cast(less(u, s), 'float32')).mul(1 / Math.sqrt(draws))
  },
})

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

/**
 * Softmax cross-entropy of logits and class indices.
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

function elementwiseTarget(name: string, output: Tensor, target: AnyTensor): void {
  checkSamples(name, output)
  if (sameShape(output.shape, target.shape) && target.dtype === output.dtype) return
  throw new BeyondgradError(
    'shape',
    `${name}: output and target must have the same shape and dtype, got ${output.dtype} ${formatShape(output.shape)} and ${target.dtype} ${formatShape(target.shape)}`,
  )
}

/** Squared error Σ (output − target)²; "mean" divides by the number of entries, as PyTorch does. */
export function mseLoss(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction = 'mean' } = options
  checkReduction('mseLoss', reduction)
  elementwiseTarget('mseLoss', output, target)
  return squaredErrorNode({ output, target }, reduction)
}

/** Binary cross-entropy of logits and targets in [0, 1]; "mean" divides by the number of entries. */
export function bceWithLogits(output: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const { reduction = 'mean' } = options
  checkReduction('bceWithLogits', reduction)
  elementwiseTarget('bceWithLogits', output, target)
  return logisticNode({ output, target }, reduction)
}
