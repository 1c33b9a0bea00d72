/**
 * @file Curvature of a loss over data as a linear operator. A product is one compiled execution for each batch, with the vectors, the
 * batch and the parameters as its inputs, so that batches of one shape share one graph.
 */
import { type Parameter, type ParameterMap, parameterMap, parametersOf } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  type Engine,
  type NDArray,
  sizeOf,
  type Tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { type CurvatureKind, type CurvatureTraces, curvatureTraces, demandScalar } from './curvature-trace.ts'
import { type BatchSource, openBatch, type ReadBatches, reread } from './data-batches.ts'
import { defineLinearOperator, type LinearOperator, type ProductOptions } from './linear-operator.ts'
import { type Reductions, shareOfBatches } from './loss-terms.ts'
import { throwIfCancelled } from './operator-algebra.ts'
import { type VectorLayout, vectorLayout } from './vector-layout.ts'

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
   * big batch; 1 under "sum". Several batches of a loss that is no
   * linear combination of marked ones need it.
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

const defaultMemory = 128 * 2 ** 20

/** An operator apart from the state of its parameters. */
interface Curvature<B extends object> {
  readonly kind: CurvatureKind
  readonly options: CurvatureOptions<B> & { readonly memory: number }
  readonly read: ReadBatches<B>
  readonly parameters: ParameterMap<Parameter>
  readonly layout: VectorLayout
  readonly traces: CurvatureTraces<B>
}

/** Reads the first batch to see which parameters there are; nothing is executed. */
export async function curvatureOperator<B extends object>(
  kind: CurvatureKind,
  options: CurvatureOptions<B>,
): Promise<CurvatureOperator> {
  const { memory = defaultMemory, loss, engine } = options
  if (!(memory > 0)) {
    throw new BeyondgradError('value', `${kind.name}: memory must be a positive number, not ${memory}`)
  }
  const read = reread(kind.name, options.data)
  const first = await firstOf(read)
  const parameters = parametersIn(kind.name, first, options)
  const layout = vectorLayout([...parameters].map(([parameter]) => parameter))
  const traces = curvatureTraces({ kind, loss, parameters, layout, engine })
  // What can't be done fails here, and not at the first product.
  traces.tryOut(first)
  return operatorNow({ kind, options: { ...options, memory }, read, parameters, layout, traces })
}

/** The operator for the parameters as they are now. */
function operatorNow<B extends object>(of: Curvature<B>): CurvatureOperator {
  const { kind, layout, parameters, traces, read, options } = of
  const { name } = kind
  const demandCurrent = versionCheck(name, parameters)
  const run = (
    vectors: readonly Float64Array[] | undefined,
    product: ProductOptions,
  ): Promise<Float64Array[]> => overBatches(of, vectors, product, demandCurrent)
  const exactDiagonal = async (product: ProductOptions = {}): Promise<Float64Array> =>
    (await run(undefined, product))[0]!
  let atOnce: number | undefined
  const operator = defineLinearOperator({
    name,
    layout,
    symmetric: true,
    matvec: async (vector, product) => (await run([vector], product))[0]!,
    matmat: async (vectors, { signal, onProgress }) => {
      atOnce ??= traces.vectorsIn(options.memory, await firstOf(read))
      const results: Float64Array[] = []
      for (let from = 0; from < vectors.length; from += atOnce) {
        results.push(...(await run(vectors.slice(from, from + atOnce), { signal })))
        onProgress?.({ done: results.length, total: vectors.length })
      }
      return results
    },
    known: {
      diagonal: exactDiagonal,
      trace: async (product) => (await exactDiagonal(product)).reduce((a, b) => a + b, 0),
    },
  })
  return {
    ...operator,
    layout,
    parameters,
    refreshed: () => operatorNow(of),
    dispose: () => traces.dispose(),
  }
}

/** Throws `stale-parameter` once a parameter has been updated. */
function versionCheck(name: string, parameters: ParameterMap<Parameter>): () => void {
  const before = [...parameters].map(([, parameter]) => [parameter, parameter.cell.version] as const)
  return () => {
    const changed = before.find(([{ cell }, version]) => cell.version !== version)
    if (changed === undefined) return
    throw new BeyondgradError(
      'stale-parameter',
      `${name}: parameter "${changed[0].name}" was updated after this operator was made, which is a matrix of its own; refreshed() gives that of the parameters as they are now`,
    )
  }
}

/** One execution for each batch, and the sum of what they give. */
async function overBatches<B extends object>(
  { kind: { name }, options, read, layout, traces }: Curvature<B>,
  vectors: readonly Float64Array[] | undefined,
  { signal, onProgress }: ProductOptions,
  demandCurrent: () => void,
): Promise<Float64Array[]> {
  const totals = Array.from({ length: vectors?.length ?? 1 }, () => new Float64Array(layout.size))
  const shares = shareOfBatches(name)
  let unshared: Reductions | undefined
  let done = 0
  for await (const batch of read()) {
    throwIfCancelled(signal)
    demandCurrent()
    const { parts, reduction, normalizers, factors } = await traces.run(batch, vectors, signal)
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
    const weight = shares.weight({
      reduction,
      normalizers: normalizers.map((each) => (typeof each === 'number' ? each : each.data[0]!)),
      factors: factors.map(({ data }) => data[0]!),
      share,
    })
    addParts(totals, parts, layout, weight)
    done++
    onProgress?.({ done })
  }
  const whole = shares.whole()
  return totals.map((total) => total.map((value) => value / whole))
}

async function firstOf<B>(read: ReadBatches<B>): Promise<B> {
  for await (const batch of read()) return batch
  throw new BeyondgradError('value', 'data has no batches')
}

function parametersIn<B extends object>(
  what: string,
  batch: B,
  { loss: lossFor, parameters: wanted }: CurvatureOptions<B>,
): ParameterMap<Parameter> {
  const { tensors } = openBatch(what, batch)
  const loss = lossFor(batch)
  demandScalar(what, loss)
  demandBatch(what, loss, tensors)
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
      : 'the loss is no linear combination of marked losses such as crossEntropy'
  return new BeyondgradError(
    'value',
    `${what}: ${why}, so that nothing says how much each of several batches counts; say it with the option share, as in ({ inputs }) => inputs.shape[0] / total`,
  )
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
