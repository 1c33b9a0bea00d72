/**
 * @file Second-order sweeps. Columns start at the losses – a square root of their Hessian – and travel backward by the
 * lifted vjp of each node, in chunks that bound the memory; at the parameters they arrive as weighted uses.
 */
import {
  add,
  type AnyTensor,
  BeyondgradError,
  inTurn,
  mul,
  ones,
  sizeOf,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import type { Entrance, MarkedLoss } from './analysis.ts'
import { type DiagonalPart, useOf } from './boundary.ts'
import { type Columns, columnsOf, type WeightedUse } from './columns.ts'
import type { StartingColumns } from './loss-columns.ts'
import type { SweptAnalysis } from './narrowed-analysis.ts'
import type { Parameter } from './parameter.ts'
import { liftedVjp } from './pullback.ts'
import { joinUses, type Use } from './use.ts'

/** Columns that start together at one node. */
export interface Chunk {
  readonly columns: number
  /** One number for all, or [V, N]. */
  readonly weight: Tensor
  /** The node whose own boundaries have been served in diagonal form already. */
  readonly skip?: AnyTensor
}

export interface SweepOptions {
  readonly what: string
  /** Columns at a loss's output. */
  start(loss: MarkedLoss): StartingColumns
  /** Whether columns carry the scale of their loss. Default: true. */
  readonly scaled?: boolean
  /** Memory that the columns at one node may take, in bytes. */
  readonly memory: number
  /** More columns than this are refused. */
  readonly limit: number
  readonly counted?: (columns: number) => void
}

const floatBytes = 4

/** How many columns may travel together: the widest node they pass decides. */
function chunkSize(analysis: SweptAnalysis, memory: number): number {
  let widest = 1
  for (const node of analysis.order) {
    if (analysis.affected.has(node) && analysis.axes.of(node) !== undefined) {
      widest = Math.max(widest, sizeOf(node.shape))
    }
  }
  return Math.max(1, Math.floor(memory / (floatBytes * widest)))
}

/** One sweep; how a node's own curvature joins in is for the Hessian's to say. */
export class ColumnSweep<A extends SweptAnalysis = SweptAnalysis> {
  protected readonly analysis: A
  protected readonly options: SweepOptions
  private readonly size: number
  protected readonly entrancesAt: Map<AnyTensor, Entrance[]> = new Map()
  /** Cotangents in flight, [V, ...node.shape]. */
  private readonly columns: Map<AnyTensor, Map<Chunk, Tensor>> = new Map()
  private readonly arrived: Map<object, Map<Chunk, Use[]>> = new Map()
  private count = 0

  constructor(analysis: A, options: SweepOptions) {
    this.analysis = analysis
    this.options = options
    this.size = chunkSize(analysis, options.memory)
    for (const entrance of analysis.entrances(options.what)) {
      this.entrancesAt.set(entrance.node, [...(this.entrancesAt.get(entrance.node) ?? []), entrance])
    }
  }

  run(): (parameter: Parameter) => Columns {
    const { analysis } = this
    for (const loss of analysis.losses) {
      const { total, at, weight } = this.options.start(loss)
      const scale = this.options.scaled === false ? ones([]) : loss.scale
      this.inject(loss.output, total, at, weight === undefined ? scale : mul(weight, scale))
    }
    for (let at = analysis.order.length - 1; at >= 0; at--) {
      const node = analysis.order[at]!
      if (!analysis.affected.has(node) || node.inputs.length === 0 || analysis.axes.of(node) === undefined)
        continue
      this.enter(node)
      this.passColumns(node)
      this.leave(node)
    }
    this.options.counted?.(this.count)
    return (parameter) => this.columnsAt(parameter)
  }

  /** Called before columns pass a node, in which all that is on its way to it has arrived. */
  protected enter(_node: AnyTensor): void {
    // Columns of the loss alone need nothing more.
  }

  /** Called after columns have passed a node. */
  protected leave(_node: AnyTensor): void {
    // Columns of the loss alone need nothing more.
  }

  /** What arrives at a parameter besides columns. */
  protected diagonalsAt(_parameter: Parameter): readonly DiagonalPart[] {
    return []
  }

  private columnsAt(parameter: Parameter): Columns {
    const chunks: WeightedUse[] = []
    for (const [chunk, uses] of this.arrived.get(parameter.cell) ?? []) {
      chunks.push({ uses: joinUses(uses, true), weight: chunk.weight, columns: chunk.columns })
    }
    return columnsOf(chunks, this.diagonalsAt(parameter), this.analysis.samples, parameter)
  }

  /** Lets columns start at a node, in chunks; `weight` is one number or [V, N]. */
  protected inject(
    node: AnyTensor,
    total: number,
    columns: (from: number, to: number) => Tensor,
    weight: Tensor,
    skip?: AnyTensor,
  ): void {
    this.inChunks(node, total, weight, skip, (chunk, from, to) => {
      this.addColumns(node, chunk, this.inTurn(columns(from, to)))
    })
  }

  /** Chunks one after the other, so that what they need along the way is not kept for all of them at once. */
  protected inTurn(columns: Tensor): Tensor {
    return inTurn(columns, this.options.what)
  }

  protected inChunks(
    node: AnyTensor,
    total: number,
    weight: Tensor,
    skip: AnyTensor | undefined,
    start: (chunk: Chunk, from: number, to: number) => void,
  ): void {
    this.count += total
    if (this.count > this.options.limit) {
      throw new BeyondgradError(
        'unsupported',
        `${this.options.what}: the exact form needs more than ${this.options.limit} columns (${this.count} so far, ${total} of them at op "${node.op.name}"); raise the option limit, or use a stochastic quantity such as DiagHessianMC or DiagGGNMC`,
      )
    }
    for (let from = 0; from < total; from += this.size) {
      const to = Math.min(total, from + this.size)
      const uniform = weight.shape.length === 0
      const chunk: Chunk = {
        columns: to - from,
        weight: uniform ? weight : slice(weight, 0, from, to),
        ...(skip ? { skip } : {}),
      }
      start(chunk, from, to)
    }
  }

  /** Columns of the same origin are summed where they meet; those of different origins stay apart. */
  protected addColumns(node: AnyTensor, chunk: Chunk, cotangent: Tensor): void {
    const here = this.columns.get(node) ?? new Map<Chunk, Tensor>()
    const before = here.get(chunk)
    here.set(chunk, before ? add(before, cotangent) : cotangent)
    this.columns.set(node, here)
  }

  private passColumns(node: AnyTensor): void {
    const here = this.columns.get(node)
    if (here === undefined) return
    const entrances = this.entrancesAt.get(node) ?? []
    const wanted = this.labelledInputs(node)
    for (const [chunk, cotangent] of here) {
      if (chunk.skip !== node) {
        for (const entrance of entrances) this.arrive(entrance, chunk, cotangent)
      }
      if (!wanted.includes(true)) continue
      liftedVjp(node, cotangent, chunk.columns, wanted).forEach((x, i) => {
        if (x !== undefined && wanted[i]) this.addColumns(node.inputs[i]!, chunk, x)
      })
    }
    this.columns.delete(node)
  }

  private arrive(entrance: Entrance, chunk: Chunk, cotangent: Tensor): void {
    for (const path of entrance.paths) {
      this.arriveUse(path.parameter, chunk, useOf(entrance, path, cotangent, true))
    }
  }

  protected arriveUse({ cell }: Parameter, chunk: Chunk, use: Use): void {
    const uses = this.arrived.get(cell) ?? new Map<Chunk, Use[]>()
    uses.set(chunk, [...(uses.get(chunk) ?? []), use])
    this.arrived.set(cell, uses)
  }

  /** Inputs on the samples' side that depend on parameters. */
  protected labelledInputs(node: AnyTensor): boolean[] {
    const { affected, axes } = this.analysis
    return node.inputs.map((input) => affected.has(input) && axes.of(input) !== undefined)
  }
}
