/** @file The losses of batches as that of the whole: how much each counts, and whether they are parts of one at all. */
import { BeyondgradError, type Evaluated, type NDArray, type Tensor } from '@beyondgrad/tensor'
import type { Reduction } from './loss.ts'
import type { Parameter } from './parameter.ts'

/** What is known of a kind of batch before it is run. */
export interface BatchFacts {
  readonly samples: number
  readonly reduction: Reduction
  readonly parameters: readonly Parameter[]
}

/** The loss of one batch. */
export interface BatchLoss {
  readonly loss: Tensor
  /** For every marked loss 1 / terms (or 1 / Σ weights), and what it was multiplied with besides. */
  readonly normalizers: readonly Tensor[]
  readonly factors: readonly Tensor[]
  readonly facts: () => BatchFacts
}

type Computed = Evaluated<BatchLoss>

/** The losses of the batches so far, and whether they are parts of one. */
export class WholeLoss {
  batches = 0
  samples = 0
  /** Σ 1 / c of the batches under "mean"; 1 under "sum". */
  terms = 0
  /** In units of the terms. */
  loss = 0
  private first: Computed | undefined
  private watched: readonly { readonly parameter: Parameter; readonly version: number }[] | undefined

  /** Remembers the parameters as the first batch finds them. */
  watch(parameters: readonly Parameter[]): void {
    this.watched ??= parameters.map((parameter) => ({ parameter, version: parameter.cell.version }))
  }

  /** Throws where parameters have changed since the first batch. */
  demandUnchanged(): void {
    const changed = this.watched?.find(({ parameter, version }) => parameter.cell.version !== version)
    if (changed === undefined) return
    throw new BeyondgradError(
      'stale-parameter',
      `accumulate: parameter "${changed.parameter.name}" was updated after batch ${this.batches}, so that the batches are not of one loss; train when it is done, or accumulate again`,
    )
  }

  /**
   * Counts a batch in; throws where it is no part of the same loss.
   *
   * @returns what the batch's loss averages over, 1 for a sum
   */
  take(computed: Computed): number {
    this.first ??= computed
    const at = this.batches + 1
    demandSameParameters(computed, this.first, at)
    demandSameWeights(computed, this.first, at)
    const { samples, reduction } = computed.facts()
    const terms = reduction === 'mean' ? 1 / valueOf(computed.normalizers[0]!) : 1
    this.batches = at
    this.samples += samples
    this.terms = reduction === 'mean' ? this.terms + terms : 1
    this.loss += valueOf(computed.loss) * terms
    return terms
  }
}

const valueOf = ({ data }: NDArray): number => data[0]!

function demandSameParameters(now: Computed, first: Computed, at: number): void {
  const [here, before] = [now, first].map((each) => each.facts().parameters) as [
    readonly Parameter[],
    readonly Parameter[],
  ]
  if (here.length === before.length && here.every(({ cell }, i) => cell === before[i]!.cell)) return
  const [those, these] = [here, before].map((each) => each.map(({ name }) => name).join(', '))
  throw new BeyondgradError(
    'value',
    `accumulate: the loss of batch ${at} depends on the parameters ${those}, that of the first batch on ${these}; every batch must have the same loss`,
  )
}

/** Several losses must have the same share of a batch, and what they are multiplied with must not depend on it. */
function demandSameWeights(now: Computed, first: Computed, at: number): void {
  const [here, before] = [now, first].map(({ factors }) => factors.map(valueOf)) as [number[], number[]]
  const units = ({ normalizers }: Computed): number[] =>
    normalizers.map((each) => valueOf(each) / valueOf(normalizers[0]!))
  const unitsBefore = units(first)
  const isAlike =
    now.facts().reduction === first.facts().reduction &&
    here.length === before.length &&
    here.every((factor, i) => isClose(factor, before[i]!)) &&
    units(now).every((unit, i) => isClose(unit, unitsBefore[i]!))
  if (isAlike) return
  throw new BeyondgradError(
    'unsupported',
    `accumulate: the losses of batch ${at} are weighed otherwise than those of the first batch (multiplied with ${here.join(', ')} instead of ${before.join(', ')}, or averaged over terms in another proportion), so that the batch has no share of the whole; use the same factors for all batches, and for several losses the reduction "sum"`,
  )
}

/** As far as single precision goes. */
const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-5 * Math.abs(b)
