/**
 * @file Curvature of a loss over data as a linear operator. A product is one compiled execution for each batch, with the vectors, the
 * batch and the parameters as its inputs, so that batches of one shape share one graph.
 */
import { type Parameter, type ParameterMap, parameterMap, parametersOf } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  capture,
  compile,
  type Compiled,
  type Engine,
  formatShape,
  lift,
  liveBytes,
  type NDArray,
  placeholder,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  topologicalOrder,
  zeros,
} from '@beyondgrad/tensor'
import { type BatchSource, openBatch, reread } from './data-batches.ts'
import { defineLinearOperator, type LinearOperator, type ProductOptions } from './linear-operator.ts'
import { lossTerms, type Reductions, shareOfBatches } from './loss-terms.ts'
import { throwIfCancelled } from './operator-algebra.ts'
import { inDouble, type VectorLayout, vectorLayout } from './vector-layout.ts'

export interface CurvatureOptions<B extends object> {
  /**
   * The loss of a batch, as an expression. It must be built from the batch's tensors, not from others like them: it is traced once for
   * each of their shapes.
   */
  readonly loss: (batch: B) => Tensor
  readonly data: BatchSource<B>
  /** Rows and columns, in this order. Default: all trainable parameters that the loss depends on. */
  readonly parameters?: ParameterMap<Parameter> | readonly Parameter[]
  /**
   * How much the loss of a batch counts in the whole. Default: under "mean" its share of all terms, so that the operator is that of one
   * big batch; 1 under "sum". Several batches of a loss that contains no marked one need it.
   */
  readonly share?: (batch: B) => number
  /** Bytes that the intermediates of one execution for several vectors may take, by estimate. Default: 128 MiB. */
  readonly memory?: number
  /** Default: the engine that is current when a product runs. */
  readonly engine?: Engine
}

/** A symmetric operator that belongs to parameters as they were when it was made. */
export interface CurvatureOperator extends LinearOperator {
  readonly layout: VectorLayout
  readonly parameters: ParameterMap<Parameter>
  /** The operator for the parameters as they are now; it shares everything that is compiled. */
  refreshed(): CurvatureOperator
  /** Forgets what is compiled, for all that share it. */
  dispose(): Promise<void>
}

/** What kind of curvature; expressions for one batch. */
export interface CurvatureKind {
  readonly name: string
  /** The product with vectors by parameter, whose leaves are given. */
  product(loss: Tensor, vectors: ParameterMap<Tensor>, leaves: readonly AnyTensor[]): ParameterMap<Tensor>
  /** The exact diagonal. */
  diagonal(loss: Tensor, parameters: readonly Parameter[]): ParameterMap<Tensor>
}

/** Results by parameter of one batch, and what its losses average over. */
interface BatchResult {
  readonly parts: readonly Tensor[]
  readonly terms: readonly (number | Tensor)[]
  readonly reduction: Reductions
}

/** A batch's part of a quantity: `count` vectors of the size of the parameters. */
interface Quantity {
  readonly name: string
  /** The vectors that are an input of the execution; none for a diagonal. */
  readonly vectors: readonly Float64Array[] | undefined
}

const defaultMemory = 128 * 2 ** 20

/** Reads the first batch to see which parameters there are; nothing is executed. */
export async function curvatureOperator<B extends object>(
  kind: CurvatureKind,
  options: CurvatureOptions<B>,
): Promise<CurvatureOperator> {
  const { memory = defaultMemory, loss: lossFor } = options
  if (!(memory > 0)) {
    throw new BeyondgradError('value', `${kind.name}: memory must be a positive number, not ${memory}`)
  }
  const read = reread(kind.name, options.data)
  const first = await firstOf(read)
  const parameters = parametersIn(kind.name, first, options)
  const list = [...parameters].map(([, parameter]) => parameter)
  const layout = vectorLayout(list)
  const traces = new Map<string, Compiled<AnyTensor[], BatchResult>>()

  const build = (loss: Tensor, flat: Tensor | undefined): BatchResult => {
    demandScalar(kind.name, loss)
    const leaves = [...parametersOf([loss], list)].map(([, leaf]) => leaf)
    const found =
      flat === undefined
        ? kind.diagonal(loss, list)
        : kind.product(loss, splitVector(flat, layout, parameters), leaves)
    const { terms, reduction } = lossTerms(loss, new Set(leaves))
    // Engines need no outputs of no elements.
    const parts = list.filter(({ shape }) => sizeOf(shape) > 0).map((parameter) => found.get(parameter))
    return { parts, terms, reduction }
  }
  const buildMany = (loss: Tensor, flats: Tensor): BatchResult => {
    const one = placeholder([layout.size], 'float32', 'vector')
    const single = build(loss, one)
    const count = flats.shape[0]!
    const { results, isBatched } = lift(single.parts, new Map<AnyTensor, AnyTensor>([[one, flats]]), count)
    // What does not depend on the vector, and yet is linear in it, is zero.
    const parts = results.map((x, i) =>
      isBatched[i] ? (x as Tensor) : zeros([count, ...single.parts[i]!.shape]),
    )
    return { ...single, parts }
  }
  // What can't be done fails here, and not at the first product.
  const firstLoss = lossFor(first)
  demandBatch(kind.name, firstLoss, openBatch(kind.name, first).tensors)
  build(firstLoss, placeholder([layout.size], 'float32', 'vector'))
  /** As many vectors at once as memory allows. */
  let vectorsAtOnce: number | undefined
  const atOnce = async (): Promise<number> => {
    if (vectorsAtOnce === undefined) {
      const opened = openBatch(kind.name, await firstOf(read))
      const stand = opened.tensors.map(({ shape, dtype }) => placeholder(shape, dtype, 'batch'))
      const flat = placeholder([layout.size], 'float32', 'vector')
      const { graph } = capture(() => [...build(lossFor(opened.fill(stand)), flat).parts], kind.name)
      vectorsAtOnce = Math.max(1, Math.floor(memory / Math.max(1, liveBytes(graph))))
    }
    return vectorsAtOnce
  }

  const traceFor = (
    quantity: 'diagonal' | 'one' | 'many',
    opened: ReturnType<typeof openBatch<B>>,
  ): Compiled<AnyTensor[], BatchResult> => {
    const key = `${quantity} ${opened.key}`
    let trace = traces.get(key)
    if (trace === undefined) {
      trace = compile(
        (...inputs: AnyTensor[]): BatchResult => {
          if (quantity === 'diagonal') return build(lossFor(opened.fill(inputs)), undefined)
          const [flat, ...rest] = inputs as [Tensor, ...AnyTensor[]]
          const loss = lossFor(opened.fill(rest))
          return quantity === 'one' ? build(loss, flat) : buildMany(loss, flat)
        },
        { engine: options.engine },
      )
      traces.set(key, trace)
    }
    return trace
  }

  const runOver = async (
    { name, vectors }: Quantity,
    { signal, onProgress }: ProductOptions,
    demandCurrent: () => void,
  ): Promise<Float64Array[]> => {
    const count = vectors?.length ?? 1
    const quantity = vectors === undefined ? 'diagonal' : count === 1 ? 'one' : 'many'
    const totals = Array.from({ length: count }, () => new Float64Array(layout.size))
    const shares = shareOfBatches(name)
    let done = 0
    let unshared: Reductions | undefined
    for await (const batch of read()) {
      throwIfCancelled(signal)
      demandCurrent()
      const opened = openBatch(name, batch)
      const run = traceFor(quantity, opened).with({ signal })
      const inputs = vectors === undefined ? [] : [vectorsAsInput(vectors, layout.size)]
      const { parts, terms, reduction } = await run(...([...inputs, ...opened.tensors] as AnyTensor[]))
      // A run that had to wait may have seen newer parameters.
      demandCurrent()
      const share = options.share?.(batch)
      if (share !== undefined && !Number.isFinite(share)) {
        throw new BeyondgradError(
          'value',
          `${name}: the share of a batch must be a finite number, not ${share}`,
        )
      }
      if (share === undefined && (reduction === 'unknown' || reduction === 'mixed')) unshared = reduction
      if (unshared !== undefined && done > 0) throw needsShare(name, unshared)
      const numbers = terms.map((each) => (typeof each === 'number' ? each : each.data[0]!))
      addParts(totals, parts, layout, shares.weight({ terms: numbers, share }))
      done++
      onProgress?.({ done })
    }
    const whole = shares.whole()
    return totals.map((total) => total.map((value) => value / whole))
  }

  const operatorNow = (): CurvatureOperator => {
    const versions = list.map(({ cell }) => cell.version)
    const demandCurrent = (): void => {
      const changed = list.find(({ cell }, i) => cell.version !== versions[i])
      if (changed === undefined) return
      throw new BeyondgradError(
        'stale-parameter',
        `${kind.name}: parameter "${changed.name}" was updated after this operator was made, which is a matrix of its own; refreshed() gives that of the parameters as they are now`,
      )
    }
    const operator = defineLinearOperator({
      name: kind.name,
      layout,
      symmetric: true,
      matvec: async (vector, product) => {
        const [found] = await runOver({ name: kind.name, vectors: [vector] }, product, demandCurrent)
        return found!
      },
      matmat: async (vectors, { signal, onProgress }) => {
        const size = await atOnce()
        const results: Float64Array[] = []
        for (let from = 0; from < vectors.length; from += size) {
          const some = vectors.slice(from, from + size)
          results.push(...(await runOver({ name: kind.name, vectors: some }, { signal }, demandCurrent)))
          onProgress?.({ done: results.length, total: vectors.length })
        }
        return results
      },
      known: {
        diagonal: async (product = {}) => {
          const [found] = await runOver({ name: kind.name, vectors: undefined }, product, demandCurrent)
          return found!
        },
        trace: async (product = {}) => {
          const [found] = await runOver({ name: kind.name, vectors: undefined }, product, demandCurrent)
          return found!.reduce((a, b) => a + b, 0)
        },
      },
    })
    return {
      ...operator,
      layout,
      parameters,
      refreshed: operatorNow,
      dispose: async () => {
        await Promise.all([...traces.values()].map((trace) => trace.dispose()))
        traces.clear()
      },
    }
  }
  return operatorNow()
}

async function firstOf<B>(read: () => AsyncGenerator<B, void, void>): Promise<B> {
  for await (const batch of read()) return batch
  throw new BeyondgradError('value', 'data has no batches')
}

function parametersIn<B extends object>(
  what: string,
  batch: B,
  { loss: lossFor, parameters: wanted }: CurvatureOptions<B>,
): ParameterMap<Parameter> {
  openBatch(what, batch)
  const loss = lossFor(batch)
  demandScalar(what, loss)
  const parameters = parameterMap([...parametersOf([loss], wanted)].map(([parameter]) => parameter))
  const size = [...parameters].reduce((total, [{ shape }]) => total + sizeOf(shape), 0)
  if (size === 0) {
    throw new BeyondgradError(
      'value',
      `${what}: the loss depends on no trainable parameter, or on none with any elements`,
    )
  }
  return parameters
}

function demandScalar(what: string, loss: Tensor): void {
  if (sizeOf(loss.shape) === 1) return
  throw new BeyondgradError(
    'shape',
    `${what}: the loss of a batch must be one number, not a tensor of shape ${formatShape(loss.shape)}`,
  )
}

/** A loss of other tensors is the same for every batch. */
function demandBatch(what: string, loss: Tensor, batch: readonly AnyTensor[]): void {
  const order = new Set(topologicalOrder([loss]))
  if (batch.some((x) => order.has(x))) return
  throw new BeyondgradError(
    'value',
    `${what}: the loss does not depend on the batch that it is given; build it from the batch's tensors`,
  )
}

function needsShare(what: string, reduction: Reductions): BeyondgradError {
  const why =
    reduction === 'mixed'
      ? 'some of the losses average over a batch and others add up'
      : 'the loss contains no marked loss'
  return new BeyondgradError(
    'value',
    `${what}: ${why}, so that nothing says how much each of several batches counts; say it with the option share, as in ({ inputs }) => inputs.shape[0] / total`,
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

/** Adds a batch's results, which come by parameter and for every vector. */
function addParts(
  totals: readonly Float64Array[],
  parts: readonly NDArray[],
  layout: VectorLayout,
  weight: number,
): void {
  layout.parts
    .filter(({ size }) => size > 0)
    .forEach(({ from, size }, i) => {
      const { data } = parts[i]!
      totals.forEach((total, k) => {
        for (let j = 0; j < size; j++) total[from + j]! += weight * data[k * size + j]!
      })
    })
}
