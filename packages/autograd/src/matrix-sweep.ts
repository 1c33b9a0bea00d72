/**
 * @file The batch-averaged matrix of KFRA: one matrix of curvature for all samples, H̄ ← (1/N) Σₙ Jₙᵀ H̄ Jₙ at every op, from the
 * summed Hessian of the loss on (Botev, Ritter and Barber, ICML 2017; quantities spec, section 8). It is as large as the square
 * of the features and knows only one way back, so that branches are refused.
 */
import {
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
  sum,
  type Tensor,
  topologicalOrder,
  transpose,
  transposeLast,
  zeros,
} from '@beyondgrad/tensor'
import type { Analysis, Entrance, MarkedLoss } from './analysis.ts'
import { useOf } from './boundary.ts'
import { inputFactor, type KroneckerFactors, type KroneckerMode, plain } from './kronecker.ts'
import { exactColumns } from './loss-columns.ts'
import type { Parameter } from './parameter.ts'
import type { ParameterPath } from './parameter-path.ts'
import { pullBack } from './pullback.ts'
import { ruleOf } from './rules/index.ts'
import { perSampleOf, type Use } from './use.ts'

/** What the averaged matrix says about one parameter. */
export interface AveragedCurvature {
  /** B from the averaged matrix, A from the inputs; as `Columns.kroneckerFactors`. */
  kroneckerFactors(mode: KroneckerMode): KroneckerFactors
}

export interface MatrixSweepOptions {
  readonly what: string
  /** Bytes that one product of the sweep may take. */
  readonly memory: number
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
    matrices.set(loss.output, summedHessian(loss))
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
    matrices.set(step.to, pulledBack(step, matrix, analysis.samples, options))
  }
  return (parameter) => ({
    kroneckerFactors: (mode) => {
      const [only, ...more] = arrived.get(parameter.cell) ?? []
      if (only === undefined || more.length > 0) {
        throw new BeyondgradError(
          'unsupported',
          `${what}: parameter "${parameter.name}" is used at ${more.length + (only ? 1 : 0)} places, and the averaged matrix knows one; use KFLR`,
        )
      }
      return factorsOf(only, mode, analysis.samples, parameter)
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
function summedHessian(loss: MarkedLoss): Tensor {
  const { total, at, weight } = exactColumns(loss)
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
  if (
    between.every((node) => ruleOf(node).partial !== undefined && sizeOf(node.shape) === sizeOf(to.shape))
  ) {
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
  mode: KroneckerMode,
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
  return { output: plain(mul(output, 1 / samples)), input: plain(inputFactor(input, mode)) }
}
