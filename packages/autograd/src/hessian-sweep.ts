/**
 * @file The exact Hessian's sweep: columns as for the GGN, and the curvature K of every op that bends. A K that is diagonal
 * stays a diagonal through elementwise, moving and selecting ops, and is expanded to columns only where a parameter further
 * upstream can tell the difference (quantities spec, section 7).
 */
import {
  add,
  type AnyTensor,
  BeyondgradError,
  mul,
  reshape,
  sizeOf,
  square,
  sumTo,
  type Tensor,
} from '@beyondgrad/tensor'
import type { Analysis, Entrance } from './analysis.ts'
import { type Bending, noEigenvalues, positive } from './block-product.ts'
import { bentUse, type DiagonalPart, diagonalUse, knownUse, samplesOfOperand } from './boundary.ts'
import { ColumnSweep, type SweepOptions } from './column-sweep.ts'
import {
  elementwiseInteraction,
  entryWeights,
  type JointColumns,
  matmulInteraction,
  unitColumns,
} from './interaction.ts'
import { type EntrywiseRuns, entrywiseRuns } from './entrywise.ts'
import type { AxisLabel } from './label.ts'
import { parameterCurvature } from './parameter-curvature.ts'
import type { Parameter } from './parameter.ts'
import { ruleOf } from './rules/index.ts'

export interface HessianSweepOptions extends SweepOptions {
  /** What becomes of the eigenvalues of ops' own second derivatives. */
  readonly bending: Bending
  /** Whether every diagonal becomes columns, because more than the diagonal of the curvature is wanted. */
  readonly expands: boolean
}

/** A sweep of columns to which every op that bends adds its own. */
export class HessianSweep extends ColumnSweep<Analysis> {
  declare protected readonly options: HessianSweepOptions
  /** Diagonal curvature in flight, in the node's shape. */
  private readonly diagonals = new Map<AnyTensor, Tensor>()
  private readonly arrivedDiagonals = new Map<object, DiagonalPart[]>()

  /** What is made positive belongs to a whole activation, not to the ops that it is composed of. */
  private readonly runs: EntrywiseRuns | undefined

  constructor(analysis: Analysis, options: HessianSweepOptions) {
    super(analysis, options)
    this.runs = options.bending === 'all' ? undefined : entrywiseRuns(analysis, analysis.affected)
  }

  protected override enter(node: AnyTensor): void {
    const bend = this.runs?.bendAt(node)
    if (bend !== undefined) this.addDiagonal(node, positive(bend, this.options.bending))
    this.passDiagonal(node)
  }

  protected override leave(node: AnyTensor): void {
    this.addCurvature(node)
  }

  protected override diagonalsAt(parameter: Parameter): readonly DiagonalPart[] {
    const arrived = this.arrivedDiagonals.get(parameter.cell) ?? []
    const entrances = [...this.entrancesAt.values()].flat()
    const own = parameterCurvature(this.analysis, parameter, entrances, this.options)
    return own === undefined ? arrived : [...arrived, own]
  }

  /** Whether two inputs of a node depend on one parameter, so that their interaction matters. */
  private interact(node: AnyTensor): boolean {
    const seen = new Set<AnyTensor>()
    for (const input of node.inputs) {
      if (!this.analysis.affected.has(input)) continue
      for (const leaf of this.analysis.upstream(input)) {
        if (seen.has(leaf)) return true
        seen.add(leaf)
      }
    }
    return false
  }

  private passDiagonal(node: AnyTensor): void {
    const diagonal = this.diagonals.get(node)
    if (diagonal === undefined) return
    this.diagonals.delete(node)
    const inputs = this.labelledInputs(node)
    const entrances = this.entrancesAt.get(node) ?? []
    // What arrives here at a boundary may stay a diagonal if nothing else of the node sees the same parameter.
    const columns = this.options.expands || this.interact(node)
    const served = columns ? undefined : this.serveDiagonal(entrances, diagonal)
    if (served !== undefined) {
      for (const [identity, part] of served) {
        this.arrivedDiagonals.set(identity, [...(this.arrivedDiagonals.get(identity) ?? []), part])
      }
      if (!inputs.includes(true)) return
      if (this.staysDiagonal(node, inputs)) {
        this.moveDiagonal(node, diagonal, inputs)
        return
      }
    }
    this.expandDiagonal(node, diagonal, served && node)
  }

  /** The diagonal at every parameter behind these boundaries; undefined if one of them needs columns. */
  private serveDiagonal(
    entrances: readonly Entrance[],
    diagonal: Tensor,
  ): (readonly [object, DiagonalPart])[] | undefined {
    const served: (readonly [object, DiagonalPart])[] = []
    for (const entrance of entrances) {
      for (const path of entrance.paths) {
        const part = this.isTied(path.leaf) ? undefined : diagonalUse(entrance, path, diagonal)
        if (part === undefined) return undefined
        served.push([path.parameter.cell, part])
      }
    }
    return served
  }

  /** Whether a parameter enters at more than one place; then its columns must be summed before they are squared. */
  private isTied(leaf: AnyTensor): boolean {
    let uses = 0
    for (const entrances of this.entrancesAt.values()) {
      for (const { paths } of entrances) uses += paths.filter((path) => path.leaf === leaf).length
    }
    return uses > 1
  }

  private staysDiagonal(node: AnyTensor, inputs: readonly boolean[]): boolean {
    const rule = ruleOf(node)
    if (!rule.selects) return false
    if (rule.partial === undefined) return true
    return node.inputs.every((input, i) => !inputs[i] || sizeOf(input.shape) === sizeOf(node.shape))
  }

  private moveDiagonal(node: AnyTensor, diagonal: Tensor, inputs: readonly boolean[]): void {
    const rule = ruleOf(node)
    // A selection moves a diagonal as it moves a cotangent; an elementwise op scales it by the squared slope.
    const moved =
      rule.partial === undefined
        ? rule.vjp(node, diagonal, inputs)
        : node.inputs.map((input, i) => {
            if (!inputs[i]) return undefined
            const slope = rule.partial!(node, i)
            const factor = typeof slope === 'number' ? slope * slope : square(slope)
            return factor === 0 ? undefined : reshape(mul(diagonal, factor), input.shape)
          })
    moved.forEach((x, i) => {
      if (x !== undefined && inputs[i]) this.addDiagonal(node.inputs[i]!, x)
    })
  }

  private addDiagonal(node: AnyTensor, diagonal: Tensor): void {
    const before = this.diagonals.get(node)
    this.diagonals.set(node, before ? add(before, diagonal) : diagonal)
  }

  /** One column for each entry of a sample at this node, weighted by the diagonal. */
  private expandDiagonal(node: AnyTensor, diagonal: Tensor, skip: AnyTensor | undefined): void {
    const { samples } = this.analysis
    const label = this.labelOf(node)
    const columns = (from: number, to: number): Tensor => unitColumns(node.shape, label, samples, from, to)
    const weight = entryWeights(diagonal, label, samples)
    this.inject(node, weight.shape[0]!, columns, weight, skip)
  }

  private labelOf(node: AnyTensor): AxisLabel {
    const axis = this.analysis.axes.of(node)
    if (axis !== undefined && 'axis' in axis) return axis
    throw new BeyondgradError('unsupported', `${this.options.what}: op "${node.op.name}" has no sample axis`)
  }

  /** The second derivative of the op itself, K = Σ_k δ_k ∇² z_k, as diagonals at its inputs. */
  private addCurvature(node: AnyTensor): void {
    const rule = ruleOf(node)
    if (rule.curvature === 'none' || this.runs?.has(node)) return
    if (rule.curvature === 'unknown') {
      throw new BeyondgradError(
        'unsupported',
        `${this.options.what}: the rule of op "${node.op.name}" says nothing of its second derivative; give it \`partial\` and \`second\`, or leave the rule out, so that the op is expanded`,
      )
    }
    const delta = this.analysis.cotangent(node)
    if (delta === undefined) return
    const { affected } = this.analysis
    const active = node.inputs.map((input) => affected.has(input))
    if (active.filter(Boolean).length > 1 && this.interact(node)) {
      this.addInteraction(node, delta)
      return
    }
    if (rule.curvature === 'bilinear') return
    node.inputs.forEach((input, i) => {
      if (!active[i]) return
      const second = rule.second!(node, i, i)
      if (second === 0) return
      const bend = mul(delta, second)
      this.addBend(node, i, bend)
    })
  }

  /** Curvature of an elementwise op in one operand, in the node's shape: a diagonal at the operand. */
  private addBend(node: AnyTensor, operand: number, bend: Tensor): void {
    const input = node.inputs[operand]!
    const { bending } = this.options
    if (this.analysis.axes.of(input) === undefined) this.arriveBent(node, operand, positive(bend, bending))
    else this.addDiagonal(input, positive(sumTo(bend, input.shape), bending))
  }

  /** All of an op's second derivative where one parameter reaches it through two inputs. */
  private addInteraction(node: AnyTensor, delta: Tensor): void {
    const { samples, axes } = this.analysis
    if (this.options.bending !== 'all') throw noEigenvalues(node, this.options.what)
    const label = this.labelOf(node)
    const rule = ruleOf(node)
    const isShared = (i: number): boolean => axes.of(node.inputs[i]!) === undefined
    if (rule.second !== undefined && node.inputs.length === 2) {
      const { alone, columns } = elementwiseInteraction(
        node,
        delta,
        label,
        samples,
        (i, j) => rule.second!(node, i, j),
        isShared,
        (operand, units) => samplesOfOperand({ node, operand, label, samples }, units, true),
      )
      alone.forEach((bend, i) => this.addBend(node, i, bend))
      this.injectJointly(node, columns)
      return
    }
    const columns =
      node.op.name === 'matmul' ? matmulInteraction(node, delta, label, samples, isShared) : undefined
    if (columns === undefined) {
      throw new BeyondgradError(
        'unsupported',
        `${this.options.what}: a parameter reaches op "${node.op.name}" on ${node.inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ')} through two inputs; the exact Hessian of that is not available yet`,
      )
    }
    this.injectJointly(node, columns)
  }

  /** Lets columns start at several inputs of a node at once. */
  private injectJointly(node: AnyTensor, { total, weight, at }: JointColumns): void {
    this.inChunks(node, total, weight, undefined, (chunk, from, to) => {
      at(from, to).forEach((part, i) => {
        if (part === undefined || !this.analysis.affected.has(node.inputs[i]!)) return
        if (this.analysis.axes.of(node.inputs[i]!) !== undefined) {
          this.addColumns(node.inputs[i]!, chunk, this.inTurn(part))
          return
        }
        for (const { operand, paths } of this.entrancesAt.get(node) ?? []) {
          if (operand === i)
            for (const path of paths) this.arriveUse(path.parameter, chunk, knownUse(path, part))
        }
      })
    })
  }

  /** Curvature of a node in a parameter that enters right there (a division by it, say). */
  private arriveBent(node: AnyTensor, operand: number, bend: Tensor): void {
    for (const entrance of this.entrancesAt.get(node) ?? []) {
      if (entrance.operand !== operand) continue
      for (const path of entrance.paths) {
        const part = bentUse(entrance, path, bend, this.options.limit)
        if (part === undefined) {
          throw new BeyondgradError(
            'unsupported',
            `${this.options.what}: op "${node.op.name}" bends in what is made of parameter "${path.parameter.name}", and the exact form needs more than ${this.options.limit} columns for that; raise the option limit, or use the parameter there as it is, reshaped, transposed or sliced`,
          )
        }
        const list = this.arrivedDiagonals.get(path.parameter.cell) ?? []
        this.arrivedDiagonals.set(path.parameter.cell, [...list, part])
      }
    }
  }
}
