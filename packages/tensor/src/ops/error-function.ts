/**
 * @file The error function in double precision, to about 1e-15. Near zero its series, in which all terms have one sign;
 * further out the continued fraction of its complement. Source: NIST Digital Library of Mathematical Functions,
 * 7.6.2 and 7.9.4.
 */

const series = 2 / Math.sqrt(Math.PI)
const fraction = 1 / Math.sqrt(Math.PI)

/** From here on the continued fraction is the quicker one. */
const far = 3
/** Steps of the fraction that are enough at `far`, and more than enough beyond. */
const depth = 40

/** erf(x) = 2/√π ∫₀ˣ exp(−t²) dt. */
export function errorFunction(x: number): number {
  if (x !== x) return NaN
  const size = Math.abs(x)
  // The complement is below half a unit in the last place of 1.
  if (size > 6) return Math.sign(x)
  return size < far ? nearZero(x) : Math.sign(x) * (1 - complement(size))
}

/** 2/√π exp(−x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!! */
function nearZero(x: number): number {
  const square = x * x
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (2 * square) / (2 * n + 1)
    sum += term
  }
  return series * Math.exp(-square) * sum
}

/** exp(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the inside out. */
function complement(x: number): number {
  let tail = x
  for (let k = depth; k > 0; k--) tail = x + k / 2 / tail
  return (fraction * Math.exp(-x * x)) / tail
}
