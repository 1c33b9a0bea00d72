/** @file A sample of the entries of all samples' gradients, which histograms share. */
import type { Contribution, DrawnEntries, ParameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, concat, sizeOf, type Tensor } from '@beyondgrad/tensor'
import type { Drawn } from './histogram.ts'

export interface SampleOptions {
  /**
   * How many entries are drawn, of all N·D; all are taken if there are no more. A bin that has a share f of them is known to a relative error
   * of √((1 − f) / (f entries)): 16 % for one in a hundred of 4096. Default: 4096.
   */
  readonly entries?: number
  /** Of the draw. Default: 0. */
  readonly seed?: number
}

/** Entries of every parameter joined: [K] each. */
export interface JoinedEntries {
  readonly gradient: Tensor
  readonly parameter: Tensor
  readonly drawn: readonly Drawn[]
}

const defaultEntries = 4096
/** However small its part is, a parameter has as many, or all that it has. */
const fewest = 64

/** Draws of all parameters, of each about its part of the whole. */
export function drawAll(
  contributions: ParameterMap<Contribution>,
  { entries = defaultEntries, seed = 0 }: SampleOptions,
): JoinedEntries {
  const list = [...contributions]
  const whole = list.reduce((total, [{ shape }]) => total + sizeOf(shape), 0)
  const parts = list
    .filter(([{ shape }]) => sizeOf(shape) > 0)
    .map(([parameter, contribution]): readonly [string, DrawnEntries] => {
      const part = Math.ceil((entries * sizeOf(parameter.shape)) / whole)
      return [
        parameter.name,
        contribution.draw({
          count: Math.max(fewest, part),
          seed,
          stream: parameter.name,
          beside: [parameter.value],
        }),
      ]
    })
  let next = 0
  const drawn = parts.map(([name, { entries: own, share }]): Drawn => {
    const from = next
    next += own.shape[0]!
    return { name, from, to: next, share }
  })
  return {
    gradient: concat(
      parts.map(([, part]) => part.entries),
      0,
    ),
    parameter: concat(
      parts.map(([, part]) => part.beside[0]!),
      0,
    ),
    drawn,
  }
}

/** What a record says of how it was made: nothing where every entry is in it. */
export function sampleRecord(
  drawn: readonly Drawn[],
  total: number,
): { readonly sampled?: number; readonly error?: number } {
  const sampled = drawn.at(-1)?.to ?? 0
  if (sampled >= total) return {}
  return { sampled, error: Math.sqrt(0.99 / (0.01 * sampled)) }
}

export function checkEntries(name: string, { entries }: SampleOptions): void {
  if (entries === undefined || (Number.isInteger(entries) && entries > 0)) return
  throw new BeyondgradError(
    'value',
    `${name}: entries is a positive number of entries to draw, not ${entries}`,
  )
}
