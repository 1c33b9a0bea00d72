/** @file Laws that hold for any quantity, whatever it is: how it scales with the loss, and how results of parts are that of the whole. */
import type { Degree } from '@beyondgrad/autograd'
import { formatShape, type NDArray, type Tensor, topologicalOrder } from '@beyondgrad/tensor'
import { demandClose, type Tolerance } from './close.ts'

/** What losses are multiplied with: no power of 2, which rounding would treat too well. */
export const alpha = 3

/** Throws unless what belongs to α times the loss is αᵈ times as large; the sentence says which degree would fit. */
export function demandDegree(
  what: string,
  plain: NDArray,
  scaled: NDArray,
  degree: Exclude<Degree, 'none'>,
  tolerance: Tolerance,
): void {
  const expected = Float64Array.from(plain.data, (x) => x * alpha ** degree)
  try {
    demandClose(what, scaled.data, expected, plain.shape, tolerance)
  } catch (error) {
    const fit = ([0, 0.5, 1, 2] as const).find((other) =>
      isClose(
        scaled.data,
        Float64Array.from(plain.data, (x) => x * alpha ** other),
      ),
    )
    const hint = fit === undefined ? `no degree fits, is it 'none'?` : `its degree is ${fit}`
    throw new Error(
      `${what}: does not scale by ${alpha}^${degree} when the loss is multiplied by ${alpha}, as degree ${degree} says: ${hint}`,
      { cause: error },
    )
  }
}

function isClose(found: ArrayLike<number>, expected: Float64Array): boolean {
  const scale = Math.max(...expected.map(Math.abs))
  return expected.every((x, i) => Math.abs(found[i]! - x) <= 1e-6 * scale)
}

/** What a part of the batch gave, and how many samples it had. */
export interface PartResult {
  readonly result: NDArray
  readonly n: number
}

/** Results of parts of a batch as that of the whole; throws where their shapes do not allow it. */
export function merged(
  what: string,
  merge: 'sum' | 'mean' | 'concat',
  parts: readonly PartResult[],
): Float64Array {
  if (merge === 'concat') return Float64Array.from(parts.flatMap(({ result }) => [...result.data]))
  const [first] = parts as readonly [PartResult]
  const odd = parts.find(({ result }) => result.data.length !== first.result.data.length)
  if (odd !== undefined) {
    throw new Error(
      `${what}: merge is '${merge}', but parts of the batch give ${formatShape(first.result.shape)} and ${formatShape(odd.result.shape)}, which cannot be added; is it 'concat'?`,
    )
  }
  const total = parts.reduce((sum, { n }) => sum + n, 0)
  return Float64Array.from(first.result.data, (_, i) =>
    parts.reduce((sum, { result, n }) => sum + result.data[i]! * (merge === 'mean' ? n / total : 1), 0),
  )
}

/** Whether numbers are drawn, which depend on where a sample is in its batch. */
export function isDrawn(tensors: readonly Tensor[]): boolean {
  return topologicalOrder(tensors).some(({ op }) => op.name === 'random')
}
