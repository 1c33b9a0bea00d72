/**
 * @file How far the samples' gradients lie from their mean: in any direction, along it, across it. What one could demand so that the
 * batch would just pass; more than about 1 says that the batch is too noisy for its size.
 *
 * Sources: Byrd, Chin, Nocedal and Wu, "Sample size selection in optimization methods for machine learning", 2012 (norm test); Bollapragada,
 * Byrd and Nocedal, "Adaptive sampling strategies for stochastic optimization", 2018 (inner product and orthogonality test).
 */
import type { Contribution, ParameterMap } from '@beyondgrad/autograd'
import type { NDArray, Tensor } from '@beyondgrad/tensor'
import { type Absent, absent, defineInstrument, type Instrument } from '../instrument.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { added, Contributions, squaredNormOf } from './samples.ts'

/** What the tests are made of: ‖ḡ‖², and for every sample ‖gₙ‖² and ⟨gₙ, ḡ⟩. */
interface Spread {
  readonly square: number
  /** Σ ‖gₙ − ḡ‖². */
  readonly around: number
  /** Σ (⟨gₙ, ḡ⟩ − ‖ḡ‖²)². */
  readonly along: number
  readonly samples: number
}

/** √(Σ ‖gₙ − ḡ‖² / (N (N − 1) ‖ḡ‖²)). */
export function NormTest(options: InstrumentOptions = {}): Instrument {
  return gradientTest('NormTest', options, ({ around, square }) => around / square)
}

/** √(Σ (⟨gₙ, ḡ⟩ − ‖ḡ‖²)² / (N (N − 1) ‖ḡ‖⁴)). */
export function InnerTest(options: InstrumentOptions = {}): Instrument {
  return gradientTest('InnerTest', options, ({ along, square }) => along / square ** 2)
}

/** √(Σ ‖gₙ − ⟨gₙ, ḡ⟩ ḡ / ‖ḡ‖²‖² / (N (N − 1) ‖ḡ‖²)). */
export function OrthoTest(options: InstrumentOptions = {}): Instrument {
  return gradientTest('OrthoTest', options, ({ around, along, square }) => (around - along / square) / square)
}

function gradientTest(name: string, options: InstrumentOptions, of: (spread: Spread) => number): Instrument {
  return defineInstrument({
    name,
    ...scheduled(options),
    extensions: { contributions: Contributions() },
    measure: ({ results }) => spreadOf(results.contributions),
    log: ({ measured, batchSize: samples }) => {
      if (samples === 1) return absent('batch size 1')
      const square = [...measured.squares].reduce((sum, [, { data }]) => sum + data[0]!, 0)
      const spread = hostSpread(measured.norms, measured.along, square)
      if ('absent' in spread) return spread
      // Rounding may leave less than nothing where all samples are equal.
      return Math.sqrt(clamped(of(spread)) / (samples * (samples - 1)))
    },
  })
}

const clamped = (x: number): number => (x < 0 ? 0 : x)

/** What gradient tests need of a step, with the scale of a mean in it: ‖gₙ‖² twice, ⟨gₙ, ḡ⟩ once, and ‖ḡ‖² by parameter. */
export function spreadOf(contributions: ParameterMap<Contribution>): {
  readonly norms: Tensor
  readonly along: Tensor
  readonly squares: ParameterMap<Tensor>
} {
  return {
    norms: added(contributions.map((each) => each.squaredNorm())),
    along: added(contributions.map((each) => each.dot(each.sum()))),
    squares: contributions.map((each) => squaredNormOf(each.sum())),
  }
}

/** Differences are taken here, in double precision. */
function hostSpread(norms: NDArray, along: NDArray, square: number): Spread | Absent {
  if (square === 0) return absent('the gradient is zero')
  const samples = norms.data.length
  let [sum, spread] = [0, 0]
  // The scale of a mean is in each of them once: in the norms twice, next to the gradient once.
  for (let n = 0; n < samples; n++) {
    sum += norms.data[n]! * samples ** 2
    spread += (along.data[n]! * samples - square) ** 2
  }
  return { square, around: clamped(sum - samples * square), along: spread, samples }
}
