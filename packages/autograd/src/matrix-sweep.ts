/**
 * @file The batch-averaged matrix of KFRA: one matrix of curvature for all samples, H̄ ← (1/N) Σₙ Jₙᵀ H̄ Jₙ at every op, from the
 * summed Hessian of the loss on (Botev, Ritter and Barber, ICML 2017; quantities spec, section 8). It is as large as the square
 * of the features and knows only one way back, so that branches are refused.
 */
import {
  add,
  type AnyTensor,
  BeyondgradError,
  expand,
  eye,
  formatShape,
  lift,
  matmul,
  mul,
  ones,
  placeholder,
  reshape,
  sizeOf,
  substitute,
  sum,
  type Tensor,
  topologicalOrder,
  transpose,
  transposeLast,
  zeros,
} from '@beyondgrad/tensor'
import type { Analysis, Entrance, MarkedLoss } from './analysis.ts'
import { type Bending, positive } from './block-product.ts'
import { useOf } from './boundary.ts'
import {
  inputFactor,
  type InputMoments,
  type KroneckerFactors,
  type KroneckerMode,
  plain,
} from './kronecker.ts'
import type { StartingColumns } from './loss-columns.ts'
import type { Parameter } from './parameter.ts'
import type { ParameterPath } from './parameter-path.ts'
import { expandForDerivatives, pullBack } from './pullback.ts'
import { ruleOf } from './rules/index.ts'
import { perSampleOf, type Use } from './use.ts'

/** What the averaged matrix says about one parameter. */
export interface AveragedCurvature {
  /** B from the averaged matrix, A from the inputs; as `Columns.kroneckerFactors`. */
  kroneckerFactors(mode: KroneckerMode, inputs?: InputMoments): KroneckerFactors
}

export interface MatrixSweepOptions {
  readonly what: string
  /** Bytes that one product of the sweep may take. */
  readonly memory: number
  /** Columns at a loss's output, whose outer products are summed. */
  start(loss: MarkedLoss): StartingColumns
  /** What of the ops' own second derivatives is added. */
  readonly bending: Bending
}

const floatBytes = 4
/** Products may be so many times larger than columns in flight: they are short-lived. */
const slack = 16

/** Runs the recursion; what arrives is asked for parameter by parameter. */
export function averagedMatrices(
  analysis: Analysis,
  options: MatrixSweepOptions,
): (parameter: Parameter) => AveragedCurvature {
  const { what } = options
  const entrancesAt = new Map<AnyTensor, Entrance[]>()
  for (const entrance of analysis.entrances(what)) {
    entrancesAt.set(entrance.node, [...(entrancesAt.get(entrance.node) ?? []), entrance])
  }
  const place = new Map(analysis.order.map((node, i) => [node, i]))
  const matrices = new Map<AnyTensor, Tensor>()
  for (const loss of analysis.losses) {
    if (matrices.has(loss.output)) throw branch(what, loss.output)
    matrices.set(loss.output, summedHessian(loss, options.start(loss)))
  }
  const arrived = new Map<object, Arrival[]>()
  for (const node of analysis.order.toReversed()) {
    const matrix = matrices.get(node)
    if (matrix === undefined || node.inputs.length === 0) continue
    for (const entrance of entrancesAt.get(node) ?? []) {
      for (const path of entrance.paths) {
        const { cell } = path.parameter
        arrived.set(cell, [...(arrived.get(cell) ?? []), { entrance, path, matrix }])
      }
    }
    const step = stepFrom(node, analysis, { place, entrancesAt, what })
    if (step === undefined) continue
    if (matrices.has(step.to)) throw branch(what, step.to)
    const moved = pulledBack(step, matrix, analysis.samples, options)
    matrices.set(step.to, withBend(moved, step, analysis, options))
  }
  return (parameter) => ({
    kroneckerFactors: (mode, inputs = 'second-moment') => {
      const [only, ...more] = arrived.get(parameter.cell) ?? []
      if (only === undefined || more.length > 0) {
        throw new BeyondgradError(
          'unsupported',
          `${what}: parameter "${parameter.name}" is used at ${more.length + (only ? 1 : 0)} places, and the averaged matrix knows one; use KFLR`,
        )
      }
      return factorsOf(only, { mode, inputs }, analysis.samples, parameter)
    },
  })
}

interface Arrival {
  readonly entrance: Entrance
  readonly path: ParameterPath
  readonly matrix: Tensor
}

const branch = (what: string, { op, shape }: AnyTensor): BeyondgradError =>
  new BeyondgradError(
    'unsupported',
    `${what}: the network branches at op "${op.name}" ${formatShape(shape)}, and the averaged matrix knows one way back only; use KFLR`,
  )

/** Features of one sample; axis 0 counts the samples. */
const featuresOf = ({ shape }: AnyTensor, samples: number): number => sizeOf(shape) / Math.max(1, samples)

/** c Σₙ Hₙ: [F, F]. */
function summedHessian(loss: MarkedLoss, { total, at, weight }: StartingColumns): Tensor {
  const [samples] = loss.output.shape as [number]
  const features = featuresOf(loss.output, samples)
  const columns = reshape(at(0, total), [total * samples, features])
  const weighted = weight === undefined ? columns : mul(columns, reshape(weight, [total * samples, 1]))
  return mul(matmul(transposeLast(weighted), columns), loss.scale)
}

/** The way from one node back to the nearest one through which everything before it passes. */
interface Step {
  readonly from: AnyTensor
  readonly to: AnyTensor
  /** What lies in between, `from` included. */
  readonly between: readonly AnyTensor[]
}

/** Undefined where nothing further back depends on a parameter. */
function stepFrom(
  from: AnyTensor,
  { affected, axes }: Analysis,
  at: {
    readonly place: ReadonlyMap<AnyTensor, number>
    readonly entrancesAt: ReadonlyMap<AnyTensor, unknown>
    readonly what: string
  },
): Step | undefined {
  const { place, entrancesAt, what } = at
  const active = (node: AnyTensor): AnyTensor[] =>
    node.inputs.filter((input) => affected.has(input) && axes.of(input) !== undefined)
  const frontier = new Set(active(from))
  const between = [from]
  while (frontier.size > 1) {
    // Whatever comes last in the graph can't be on the way to any other.
    const last = [...frontier].reduce((a, b) => (place.get(a)! > place.get(b)! ? a : b))
    frontier.delete(last)
    // A parameter inside would see only a part of the curvature.
    if (entrancesAt.has(last) || active(last).length === 0) throw branch(what, last)
    between.push(last)
    for (const input of active(last)) frontier.add(input)
  }
  const [to] = frontier
  return to && { from, to, between }
}

/** (1/N) Σₙ Jₙᵀ H̄ Jₙ for the Jacobian of a step. */
function pulledBack(
  { from, to, between }: Step,
  matrix: Tensor,
  samples: number,
  { what, memory }: MatrixSweepOptions,
): Tensor {
  const [after, before] = [featuresOf(from, samples), featuresOf(to, samples)]
  if (between.length === 1 && from.op.name === 'matmul' && from.inputs[0] === to && from.shape.length === 2) {
    const weight = from.inputs[1] as Tensor
    return matmul(matmul(weight, matrix), transposeLast(weight))
  }
  if (between.every((node) => actsOnEntries(node, to))) {
    const [slope] = pullBack([[from, ones(from.shape)]], [to])
    const slopes = reshape(slope ?? zeros(to.shape), [samples, before])
    return mul(matrix, mul(matmul(transposeLast(slopes), slopes), 1 / samples))
  }
  const bytes = floatBytes * samples * before * Math.max(after, before)
  if (bytes > slack * memory) {
    throw new BeyondgradError(
      'unsupported',
      `${what}: op "${from.op.name}" takes the averaged matrix from ${after} to ${before} features, which needs ${Math.ceil(bytes / 2 ** 20)} MiB; use KFLR, whose columns stay narrow`,
    )
  }
  const back = liftedStep({ from, to, between })
  const half = back(everySample(matrix, from, samples), after)
  // [F, N, F'] → [F', N, F]: what has come through on the right goes through on the left.
  const turned = transpose(reshape(half, [after, samples, before]), [2, 1, 0])
  const whole = back(reshape(turned, [before, ...from.shape]), before)
  return mul(sum(reshape(whole, [before, samples, before]), [1]), 1 / samples)
}

/** The matrix with Σₙ of a step's own second derivative, which is diagonal where the step acts entry by entry. */
function withBend(
  matrix: Tensor,
  { from, to, between }: Step,
  analysis: Analysis,
  { what, bending }: MatrixSweepOptions,
): Tensor {
  if (bending === 'none' || between.every((node) => isStraight(node, to, between))) return matrix
  const delta = analysis.cotangent(from)
  if (delta === undefined) return matrix
  if (!between.every((node) => actsOnEntries(node, to))) {
    throw new BeyondgradError(
      'unsupported',
      `${what}: op "${from.op.name}" bends across the features of a sample, which the averaged matrix can't say; use the curvature of the GGN, or transport "sqrt"`,
    )
  }
  const held = placeholder(from.shape, 'float32', 'cotangent')
  const [slope] = pullBack([[from, held]], [to])
  const [bend] =
    slope === undefined ? [] : pullBack([[expandForDerivatives([slope])[0]!, ones(to.shape)]], [to])
  if (bend === undefined) return matrix
  const real = substitute([bend], new Map([[held, delta]]))[0] as Tensor
  const features = matrix.shape[0]!
  const diagonal = sum(reshape(positive(real, bending), [analysis.samples, features]), [0])
  return add(matrix, mul(eye(features), reshape(diagonal, [features, 1])))
}

/** Whether an op is linear in what a step starts from. */
function isStraight(node: AnyTensor, to: AnyTensor, between: readonly AnyTensor[]): boolean {
  const { curvature } = ruleOf(node)
  const active = node.inputs.filter((input) => input === to || between.includes(input))
  return curvature === 'none' || (curvature === 'bilinear' && active.length === 1)
}

const actsOnEntries = (node: AnyTensor, to: AnyTensor): boolean =>
  ruleOf(node).partial !== undefined && sizeOf(node.shape) === sizeOf(to.shape)

/** The vjp of a step for many cotangents at once: [count, ...from.shape] → [count, ...to.shape]. */
function liftedStep({ from, to }: Step): (cotangents: Tensor, count: number) => Tensor {
  const one = placeholder(from.shape, 'float32', 'cotangent')
  const [back] = pullBack([[from, one]], [to])
  const forward = new Set(topologicalOrder([from]))
  return (cotangents, count) => {
    if (back === undefined) return zeros([count, ...to.shape])
    const { results, isBatched } = lift([back], new Map([[one, cotangents]]), count, forward)
    return isBatched[0] ? (results[0] as Tensor) : zeros([count, ...to.shape])
  }
}

/** Rows of a matrix as cotangents, the same for every sample: [F, N, …]. */
function everySample(rows: Tensor, { shape }: AnyTensor, samples: number): Tensor {
  const [count, features] = rows.shape as [number, number]
  return reshape(expand(reshape(rows, [count, 1, features]), [count, samples, features]), [count, ...shape])
}

/** B = (1/N) Σₙ of the matrix as it looks from the parameter, A as for all other Kronecker factors. */
function factorsOf(
  { entrance, path, matrix }: Arrival,
  { mode, inputs }: { readonly mode: KroneckerMode; readonly inputs: InputMoments },
  samples: number,
  { name, shape }: Parameter,
): KroneckerFactors {
  const { node } = entrance
  const features = matrix.shape[0]!
  const use = (rows: Tensor): Use => useOf(entrance, path, everySample(rows, node, samples), true)
  const [left, right] = [use(eye(features)), use(matrix)]
  const { factors } = left.kronecker?.() ?? left
  const { factors: others } = right.kronecker?.() ?? right
  if (factors.kind !== 'outer' || others.kind !== 'outer') {
    const size = sizeOf(shape)
    const flat = (each: Use): Tensor =>
      reshape(each.place(perSampleOf(each.factors), 2), [features * samples, size])
    return { output: mul(matmul(transposeLast(flat(left)), flat(right)), 1 / samples) }
  }
  const [, , groups, out] = factors.cotangent.shape as [number, number, number, number]
  const { input } = factors
  if (groups * out * input.shape[2]! !== sizeOf(shape)) {
    throw new BeyondgradError(
      'unsupported',
      `KFRA: only a part of parameter "${name}" of shape ${formatShape(shape)} is a weight; use a diagonal quantity such as DiagGGN for it`,
    )
  }
  // The matrix is that of all positions together: they are summed first, in every mode.
  const byGroup = (cotangent: Tensor): Tensor =>
    transpose(reshape(sum(cotangent, [-1]), [features * samples, groups, out]), [1, 2, 0])
  const output = matmul(byGroup(factors.cotangent), transposeLast(byGroup(others.cotangent)))
  return { output: plain(mul(output, 1 / samples)), input: plain(inputFactor(input, mode, inputs)) }
}
