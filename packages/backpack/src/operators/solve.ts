/** @file What methods that solve A x = b by products have in common. */
import { BeyondgradError } from '@beyondgrad/tensor'

/** The solution of A x = b, and how good it is. */
export interface Solution {
  readonly solution: Float64Array
  /** Products with the operator until then; 0 where the inverse is known. */
  readonly iterations: number
  /** ‖b − A x‖ / ‖b‖, computed anew from the solution; 0 for b = 0. */
  readonly residual: number
}

export function notConverged(
  method: string,
  iterations: number,
  residual: number,
  tolerance: number,
  advice: string,
): BeyondgradError {
  return new BeyondgradError(
    'no-solution',
    `inverse (${method}): no convergence after ${iterations} iterations: the relative residual is ${residual.toPrecision(3)}, and should be at most ${tolerance}; ${advice}`,
  )
}
