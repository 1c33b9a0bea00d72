/** @file Long series for drawing: as many points as can be told apart, with every extreme kept. */

/** A series that has only numbers. */
export interface Curve {
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

/**
 * Of at most so many buckets of equal numbers of steps, the lowest and the highest value, at their own steps. A series that is short
 * enough stays as it is.
 */
export function thinned({ steps, values }: Curve, buckets = 240): Curve {
  if (values.length <= 2 * buckets) return { steps, values }
  const places: number[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * values.length) / buckets)
    const to = Math.floor(((bucket + 1) * values.length) / buckets)
    let [low, high] = [from, from]
    for (let i = from; i < to; i++) {
      if (values[i]! < values[low]!) low = i
      if (values[i]! > values[high]!) high = i
    }
    places.push(Math.min(low, high))
    if (low !== high) places.push(Math.max(low, high))
  }
  return { steps: places.map((i) => steps[i]!), values: places.map((i) => values[i]!) }
}

/** Exponential moving average: a new value weighs so much, and the first one all. */
export function movingAverage({ steps, values }: Curve, weight = 0.2): Curve {
  let average = values[0] ?? 0
  return { steps, values: values.map((value) => (average += weight * (value - average))) }
}

/** Which of a list are looked at where only so many can be; the first and the last are among them. */
export function spread(length: number, most: number): number[] {
  if (length <= most) return [...Array(length).keys()]
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)))
}
