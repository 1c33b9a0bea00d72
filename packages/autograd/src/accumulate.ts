/**
 * @file Whole data sets: extensions over many batches, as if all were one. Each batch is one execution, with the batch as its input;
 * its results are combined on the host before the next is asked for.
 */
import {
  type AnyTensor,
  BeyondgradError,
  compile,
  type Compiled,
  type Engine,
  type Evaluated,
  type Tensor,
} from '@beyondgrad/tensor'
import { type AccumulationPlan, demandDegrees, planAccumulation } from './accumulation.ts'
import { type Analysis, analyse } from './analysis.ts'
import { type BackwardOptions, checkOptions, runExtensions } from './backward.ts'
import { type BatchForm, batchForm } from './batch-form.ts'
import { batchesUntil } from './batches-until.ts'
import type { Extensions, Results } from './extension.ts'
import { requireLabel, requireOutputs } from './sample-axis.ts'
import { type BatchLoss, WholeLoss } from './whole-loss.ts'

/** What has been done so far. */
export interface AccumulateProgress {
  readonly batches: number
  readonly samples: number
  /** How many batches there are, if they came as an array. */
  readonly total?: number
}

export interface AccumulateOptions<in B> extends Omit<BackwardOptions, 'samples'> {
  /** The loss of one batch. Called once for every kind of batch – shapes and dtypes –, with stand-ins for its tensors. */
  readonly loss: (batch: B) => Tensor
  /** Tensors of a batch whose sample axis is not the one that the loss's axis 0 leads to. */
  readonly samples?: (batch: B) => ReadonlyMap<AnyTensor, number>
  /** Default: the current engine. */
  readonly engine?: Engine
  /** The step that random numbers are drawn for. Default: 0. */
  readonly step?: number
  /** Stops between batches, and a run where the engine can; `accumulate` then rejects with code `cancelled`. */
  readonly signal?: AbortSignal
  /** Told after every batch. */
  readonly onProgress?: (progress: AccumulateProgress) => void
}

/** What `accumulate` returns. */
export interface Accumulated<X extends Extensions> {
  /** Under the caller's keys, as `evaluate(backward(…))` of one big batch would give them. */
  readonly results: Evaluated<Results<X>>
  /** The loss of the whole. */
  readonly loss: number
  readonly samples: number
  readonly batches: number
  /** What every term of the first loss is multiplied with in the whole: 1 / terms or 1 / Σ weights under "mean", 1 under "sum". */
  readonly normalizer: number
}

/** What one execution computes. */
interface TracedBatch extends BatchLoss {
  readonly results: readonly unknown[]
}

/**
 * Runs extensions over many batches and combines their results by each extension's `merge`: the same numbers as those of one big
 * batch. Under "mean" a batch counts by its share of all terms (or weights), so that batches of different sizes, ignored labels and
 * weighted samples come out right. Only one batch's results are held beside the combined ones, except by 'concat'.
 *
 * Random columns are drawn for the samples as they are numbered in the whole, in the order of the batches.
 *
 * Throws `unsupported` before anything runs for extensions without `merge`, and `mixed-samples` where samples mix (as in a
 * normalisation by the batch's statistics), since batches are no parts of a whole then; `value` for no batches; `cancelled`; and
 * whatever a batch's own run throws.
 *
 * @param extensions what to compute, under keys of your own
 * @param batches tensors with data, in objects and arrays as `loss` wants them; numbers and strings beside them are compiled in
 */
export async function accumulate<const X extends Extensions, B>(
  extensions: X,
  batches: Iterable<B> | AsyncIterable<B>,
  options: AccumulateOptions<B>,
): Promise<Accumulated<X>> {
  checkOptions('accumulate', options)
  if (typeof options.loss !== 'function') {
    throw new BeyondgradError(
      'value',
      'accumulate: takes { loss: (batch) => … }, a function from a batch to its loss',
    )
  }
  const plan = planAccumulation(extensions)
  const { signal, onProgress } = options
  const total = Array.isArray(batches) ? { total: batches.length } : {}
  const whole = new WholeLoss()
  const run = runner(plan, whole, options)
  for await (const batch of batchesUntil(batches, signal)) {
    const traced = await run(batch)
    const { samples } = traced.facts()
    const terms = whole.take(traced)
    const byPlan = new Map(plan.all.map((each, i) => [each, traced.results[i]]))
    // Who looks at what others have so far comes before them.
    for (const each of plan.all.toReversed()) {
      const needs = Object.entries(each.needs).map(([as, need]) => [as, byPlan.get(need)] as const)
      await each.add({ result: byPlan.get(each), samples, terms }, Object.fromEntries(needs))
    }
    onProgress?.({ batches: whole.batches, samples: whole.samples, ...total })
  }
  if (whole.batches === 0) {
    throw new BeyondgradError(
      'value',
      'accumulate: there are no batches, so that there is nothing to combine; an iterator can be gone through only once',
    )
  }
  const results = [...plan.byKey].map(([key, each]) => [key, each.value(whole.terms)] as const)
  return {
    results: Object.fromEntries(results) as Evaluated<Results<X>>,
    loss: whole.loss / whole.terms,
    samples: whole.samples,
    batches: whole.batches,
    normalizer: 1 / whole.terms,
  }
}

/** More kinds of batches than this and the oldest is traced anew when it comes again. */
const kindLimit = 64

type Run = Compiled<readonly AnyTensor[], TracedBatch>

/** Runs one batch on the executable of its kind. */
function runner<B>(
  plan: AccumulationPlan,
  whole: WholeLoss,
  options: AccumulateOptions<B>,
): (batch: B) => Promise<Evaluated<TracedBatch>> {
  const kinds = new Map<string, Run>()
  const { signal, step = 0, engine } = options
  let first = 0
  const kindOf = ({ key, rebuild }: BatchForm): Run => {
    let kind = kinds.get(key)
    if (kind === undefined) {
      const trace = (...tensors: readonly AnyTensor[]): TracedBatch =>
        traceBatch(rebuild(tensors) as B, whole, plan, options)
      kind = compile(trace, { engine, step: () => step, first: () => first })
      kinds.set(key, kind)
      if (kinds.size > kindLimit) kinds.delete(kinds.keys().next().value!)
    }
    return kind
  }
  return (batch) => {
    const form = batchForm(batch, whole.batches + 1)
    const kind = kindOf(form)
    first = whole.samples
    whole.demandUnchanged()
    return kind.with({ signal })(...form.tensors)
  }
}

function traceBatch<B>(
  batch: B,
  whole: WholeLoss,
  plan: AccumulationPlan,
  options: AccumulateOptions<B>,
): TracedBatch {
  const loss = options.loss(batch)
  const analysis = analyse(loss, { ...options, samples: options.samples?.(batch) })
  const reduction = demandParts(analysis)
  whole.watch(analysis.parameters)
  if (reduction === 'mean') demandDegrees(plan)
  const wanted = Object.fromEntries(plan.all.map(({ extension }, i) => [String(i), extension]))
  const results = runExtensions(analysis, wanted, checkOptions('accumulate', options))
  const { losses, samples, parameters } = analysis
  return {
    results: plan.all.map((_, i) => results[String(i)]),
    loss: loss.sum(),
    normalizers: losses.map(({ normalizer }) => normalizer.value),
    factors: losses.map(({ factor }) => factor),
    facts: () => ({ samples, reduction, parameters }),
  }
}

/** Throws unless a batch is a part of a whole, whose samples know nothing of each other; says how the parts add up. */
function demandParts(analysis: Analysis): 'mean' | 'sum' {
  const { losses, axes, order, affected, samples, regularized } = analysis
  const [first] = losses
  if (first === undefined) {
    throw new BeyondgradError(
      'not-a-loss',
      'accumulate: the loss contains no marked loss such as crossEntropy or mseLoss, so that the share of a batch is unknown',
    )
  }
  for (const node of order) if (affected.has(node)) requireLabel(axes, node, 'accumulate')
  requireOutputs(
    axes,
    losses.map(({ output }) => output),
    samples,
    'accumulate',
  )
  if (losses.some(({ reduction }) => reduction !== first.reduction)) {
    throw new BeyondgradError(
      'unsupported',
      'accumulate: some of the losses are sums and others means, so that a batch has no one share of the whole; use the same reduction for all',
    )
  }
  if (first.reduction === 'sum' && regularized.length > 0) {
    throw new BeyondgradError(
      'unsupported',
      `accumulate: the loss is a sum over samples with terms of parameters alone (${regularized.join(', ')}), which every batch would add again; use the reduction "mean", or add them to the result`,
    )
  }
  return first.reduction
}
