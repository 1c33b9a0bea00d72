/** @file The graphs behind a product of curvature: built once for each shape of a batch, for one vector, for several, or for the diagonal. */
import { type Parameter, type ParameterMap, parametersOf } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  capture,
  compile,
  type Compiled,
  type Engine,
  type Evaluated,
  formatShape,
  lift,
  liveBytes,
  type NDArray,
  placeholder,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import { type OpenBatch, openBatch } from './data-batches.ts'
import { lossTerms, type LossTerms } from './loss-terms.ts'
import { inDouble, type VectorLayout } from './vector-layout.ts'

/** What kind of curvature; expressions for one batch. */
export interface CurvatureKind {
  readonly name: string
  /** The product with vectors by parameter, whose leaves are given. */
  product(loss: Tensor, vectors: ParameterMap<Tensor>, leaves: readonly AnyTensor[]): ParameterMap<Tensor>
  /** The exact diagonal. */
  diagonal(loss: Tensor, parameters: readonly Parameter[]): ParameterMap<Tensor>
}

/** Results of one batch. */
interface BatchResult extends LossTerms {
  /** By parameter, those without elements left out; with an axis of vectors in front if there are several. */
  readonly parts: readonly Tensor[]
}

/** What traces are made of. */
export interface TracedCurvature<B extends object> {
  readonly kind: CurvatureKind
  readonly loss: (batch: B) => Tensor
  readonly parameters: ParameterMap<Parameter>
  readonly layout: VectorLayout
  readonly engine: Engine | undefined
}

export interface CurvatureTraces<B extends object> {
  /** Runs a batch, for vectors or without any for the diagonal. */
  run(
    batch: B,
    vectors: readonly Float64Array[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Evaluated<BatchResult>>
  /** Builds the product for a batch without running it, and so fails where that fails. */
  tryOut(batch: B): void
  /** How many vectors fit into so many bytes, by estimate; at least one. */
  vectorsIn(bytes: number, batch: B): number
  dispose(): Promise<void>
}

type Form = 'diagonal' | 'one' | 'many'

export function curvatureTraces<B extends object>(of: TracedCurvature<B>): CurvatureTraces<B> {
  const { kind, layout, loss: lossFor } = of
  const traces = new Map<string, Compiled<AnyTensor[], BatchResult>>()
  const oneVector = (): Tensor => placeholder([layout.size], 'float32', 'vector')
  const traceFor = (form: Form, opened: OpenBatch<B>): Compiled<AnyTensor[], BatchResult> => {
    const key = `${form} ${opened.key}`
    const known = traces.get(key)
    if (known !== undefined) return known
    const traced = (...inputs: AnyTensor[]): BatchResult => {
      if (form === 'diagonal') return build(of, lossFor(opened.fill(inputs)), undefined)
      const [flat, ...rest] = inputs as [Tensor, ...AnyTensor[]]
      const loss = lossFor(opened.fill(rest))
      return form === 'one' ? build(of, loss, flat) : buildMany(of, loss, flat, oneVector())
    }
    const made = compile(traced, { engine: of.engine })
    traces.set(key, made)
    return made
  }
  return {
    run: (batch, vectors, signal) => {
      const opened = openBatch(kind.name, batch)
      const form = vectors === undefined ? 'diagonal' : vectors.length === 1 ? 'one' : 'many'
      const inputs = vectors === undefined ? [] : [vectorsAsInput(vectors, layout.size)]
      const all = [...inputs, ...opened.tensors] as AnyTensor[]
      return traceFor(form, opened).with({ signal })(...all)
    },
    tryOut: (batch) => void build(of, lossFor(batch), oneVector()),
    vectorsIn: (bytes, batch) => {
      const opened = openBatch(kind.name, batch)
      const stand = opened.tensors.map(({ shape, dtype }) => placeholder(shape, dtype, 'batch'))
      const parts = (): Tensor[] => [...build(of, lossFor(opened.fill(stand)), oneVector()).parts]
      const { graph } = capture(parts, kind.name)
      return Math.max(1, Math.floor(bytes / Math.max(1, liveBytes(graph))))
    },
    dispose: async () => {
      await Promise.all([...traces.values()].map((trace) => trace.dispose()))
      traces.clear()
    },
  }
}

/** The product with a vector, or the diagonal. */
function build<B extends object>(
  { kind, layout, parameters }: TracedCurvature<B>,
  loss: Tensor,
  flat: Tensor | undefined,
): BatchResult {
  demandScalar(kind.name, loss)
  const list = [...parameters].map(([, parameter]) => parameter)
  const leaves = [...parametersOf([loss], list)].map(([, leaf]) => leaf)
  const found =
    flat === undefined
      ? kind.diagonal(loss, list)
      : kind.product(loss, splitVector(flat, layout, parameters), leaves)
  // Of no elements there is nothing to compute.
  const parts = list.filter(({ shape }) => sizeOf(shape) > 0).map((parameter) => found.get(parameter))
  return { parts, ...lossTerms(loss, list) }
}

/** Products with several vectors, [K, size]: that with one vector, lifted. */
function buildMany<B extends object>(
  of: TracedCurvature<B>,
  loss: Tensor,
  flats: Tensor,
  one: Tensor,
): BatchResult {
  const single = build(of, loss, one)
  const count = flats.shape[0]!
  const { results, isBatched } = lift(single.parts, new Map<AnyTensor, AnyTensor>([[one, flats]]), count)
  // What does not depend on the vector, and yet is linear in it, is zero.
  const parts = results.map((x, i) =>
    isBatched[i] ? (x as Tensor) : zeros([count, ...single.parts[i]!.shape]),
  )
  return { ...single, parts }
}

/** Throws `shape` for a loss that is not one number. */
export function demandScalar(what: string, loss: Tensor): void {
  if (sizeOf(loss.shape) === 1) return
  throw new BeyondgradError(
    'shape',
    `${what}: the loss of a batch must be one number, not a tensor of shape ${formatShape(loss.shape)}`,
  )
}

/** A flat vector by parameter. */
function splitVector(
  flat: Tensor,
  layout: VectorLayout,
  parameters: ParameterMap<Parameter>,
): ParameterMap<Tensor> {
  const at = new Map(layout.parts.map((placed) => [placed.part.name, placed] as const))
  return parameters.map((parameter): Tensor => {
    const { from, size } = at.get(parameter.name)!
    return size === 0 ? zeros(parameter.shape) : reshape(slice(flat, 0, from, from + size), parameter.shape)
  })
}

/** [size] of one vector, [K, size] of more. */
function vectorsAsInput(vectors: readonly Float64Array[], size: number): NDArray {
  const [first] = vectors
  if (vectors.length === 1) return inDouble([size], first!)
  const all = new Float64Array(vectors.length * size)
  vectors.forEach((vector, k) => all.set(vector, k * size))
  return inDouble([vectors.length, size], all)
}
