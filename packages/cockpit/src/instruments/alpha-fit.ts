/** @file A parabola through loss and slope at both ends of a step, and where on it the step ended. */

/** What is known at one end. Variances are those of single samples, with divisor N − 1. */
export interface StepEnd {
  readonly loss: number
  readonly lossVariance: number
  /** Along the step, for unit length. */
  readonly slope: number
  readonly slopeVariance: number
}

/** Stands for a variance of zero, which would weigh everything else down. */
const smallestVariance = 1e-10

/**
 * Where a step ended on the parabola that fits both ends best: −1 where it began, 0 at the minimum, 1 on the other side at the height
 * of the beginning. −1 also where the parabola opens downwards, or nothing moved. Undefined where there is no one parabola.
 *
 * Source: Schneider, Dangel and Hennig, "Cockpit", NeurIPS 2021; the fit weighs each value by the inverse of its variance, as Mahsereci
 * and Hennig, "Probabilistic line searches for stochastic optimization", NeurIPS 2015.
 *
 * @param length of the step
 */
export function normalizedStepLength(start: StepEnd, end: StepEnd, length: number): number | undefined {
  if (length === 0) return -1
  // In units of the step: x from 0 to 1.
  const rows = [
    [1, 0, 0],
    [1, 1, 1],
    [0, 1, 0],
    [0, 1, 2],
  ]
  const values = [start.loss, end.loss, start.slope * length, end.slope * length]
  const variance = (of: number): number => (of === 0 ? smallestVariance : of)
  const weights = [
    1 / variance(start.lossVariance),
    1 / variance(end.lossVariance),
    1 / (variance(start.slopeVariance) * length ** 2),
    1 / (variance(end.slopeVariance) * length ** 2),
  ]
  const normal = [0, 1, 2].map((i) => [
    ...[0, 1, 2].map((j) => rows.reduce((total, row, k) => total + weights[k]! * row[i]! * row[j]!, 0)),
    rows.reduce((total, row, k) => total + weights[k]! * row[i]! * values[k]!, 0),
  ])
  const solution = solved(normal)
  if (solution === undefined) return undefined
  const [, slope, bend] = solution as [number, number, number]
  return bend < 0 ? -1 : (-2 * bend) / slope - 1
}

/** Three equations in three unknowns, by elimination with pivots; undefined if they are singular. */
function solved(equations: readonly (readonly number[])[]): number[] | undefined {
  const rows = equations.map((row) => [...row])
  for (let i = 0; i < 3; i++) {
    let pivot = i
    for (let k = i + 1; k < 3; k++) if (Math.abs(rows[k]![i]!) > Math.abs(rows[pivot]![i]!)) pivot = k
    if (rows[pivot]![i] === 0) return undefined
    ;[rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!]
    for (let k = i + 1; k < 3; k++) {
      const factor = rows[k]![i]! / rows[i]![i]!
      for (let j = i; j < 4; j++) rows[k]![j]! -= factor * rows[i]![j]!
    }
  }
  const x = [0, 0, 0]
  for (let i = 2; i >= 0; i--) {
    let rest = rows[i]![3]!
    for (let j = i + 1; j < 3; j++) rest -= rows[i]![j]! * x[j]!
    x[i] = rest / rows[i]![i]!
  }
  return x
}

/** Mean and variance with divisor N − 1. */
export function momentsOf(values: ArrayLike<number>): { readonly mean: number; readonly variance: number } {
  let mean = 0
  for (let i = 0; i < values.length; i++) mean += values[i]! / values.length
  let squares = 0
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2
  return { mean, variance: squares / (values.length - 1) }
}
