/** @file Where steps end on the parabola along them: too short, right, or too long. */
import { buffer, type Contribution, type ParameterMap } from '@beyondgrad/autograd'
import { neg, type Tensor } from '@beyondgrad/tensor'
import { absent, defineInstrument, type Instrument } from '../instrument.ts'
import { momentsOf, normalizedStepLength, type StepEnd } from './alpha-fit.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { added, Contributions, SampleLosses, squaredNormOf } from './samples.ts'
import { kept, setBuffer } from './sizes.ts'

/**
 * The normalised length of a step: −1 did not move, 0 ended at the minimum of the parabola along it, 1 on the other side at the height
 * where it began, more than 1 higher. A step needs the next one, whose batch tells of its end; the value belongs to the step. Any
 * optimiser: the direction is what the update adds, kept as state together with loss, slope and their variances at the beginning.
 */
export function Alpha(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'Alpha',
    ...scheduled(options),
    state: (parameters) => ({
      // From the end of the step back to its beginning: what plain descent takes away.
      back: parameters.map(({ name, shape }) => kept(name, shape)),
      // Step, length, loss, its variance, slope, its variance.
      start: buffer('start', { shape: [6], dtype: 'float32', data: Float32Array.of(-1, 0, 0, 0, 0, 0) }),
    }),
    extensions: { contributions: Contributions(), losses: SampleLosses() },
    measure: ({ results, change, learningRate, state, updates }) => ({
      losses: results.losses,
      ...productsAlong(results.contributions, change, learningRate),
      squares: change.map(squaredNormOf),
      back: updates([...change].map(([parameter, x]) => [state.back.get(parameter), neg(x)] as const)),
    }),
    log: ({ measured, step, state, batchSize, learningRate }) => {
      const length = Math.sqrt([...measured.squares].reduce((sum, [, { data }]) => sum + data[0]!, 0))
      // The products carry the scale of a mean.
      const factor = measured.along === 'gradient' ? -learningRate * batchSize : batchSize
      const end = endOf(measured.losses.data, measured.products.data, factor, length)
      const { loss, lossVariance, slope, slopeVariance } = end
      const numbers = Float64Array.of(step, length, loss, lossVariance, slope, slopeVariance)
      setBuffer(state.start, numbers)
      return undefined
    },
    after: {
      extensions: { contributions: Contributions(), losses: SampleLosses() },
      measure: ({ results, state }) => ({
        losses: results.losses,
        products: added(
          results.contributions.map((each, parameter) => each.dot(state.back.get(parameter).value as Tensor)),
        ),
      }),
      log: ({ measured, step, batchSize, state }) => {
        const [of, length, loss, lossVariance, slope, slopeVariance] = state.start.cell
          .data as Float64Array as never as [number, number, number, number, number, number]
        if (of !== step - 1)
          return absent(
            'the run was resumed without the state of the cockpit, which has the direction of the step',
          )
        if (length === 0) return -1
        if (Number.isNaN(loss)) return NaN
        if (batchSize === 1) return absent('the batch after the step has 1 sample, and no variance')
        if (Number.isNaN(lossVariance)) return absent('the batch has 1 sample, and no variance')
        const end = endOf(measured.losses.data, measured.products.data, -batchSize, length)
        const alpha = normalizedStepLength({ loss, lossVariance, slope, slopeVariance }, end, length)
        return alpha ?? absent('no single parabola fits both ends of the step')
      },
    },
  })
}

/**
 * ⟨gₙ, d⟩ for every sample, [N], d being the step; or, where the step is −rate ḡ, ⟨gₙ, ḡ⟩, which the gradient tests want, too.
 *
 * @param rate that of the step, by which plain descent multiplies the gradient
 */
function productsAlong(
  contributions: ParameterMap<Contribution>,
  step: ParameterMap<Tensor>,
  rate: Tensor,
): { readonly products: Tensor; readonly along: 'step' | 'gradient' } {
  const slopes = new Map([...step].map(([parameter, x]) => [parameter, descentOf(x, rate)]))
  const isDescent = [...slopes.values()].every((slope) => slope !== undefined)
  const products = contributions.map((each, parameter) =>
    each.dot(isDescent ? slopes.get(parameter)! : step.get(parameter)),
  )
  return { products: added(products), along: isDescent ? 'gradient' : 'step' }
}

/** g where the direction is −rate g; undefined for every other. */
function descentOf(direction: Tensor, rate: Tensor): Tensor | undefined {
  const [step] = direction.inputs
  if (direction.op.name !== 'neg' || step?.op.name !== 'mul') return undefined
  const [slope, factor] = step.inputs as readonly [Tensor, Tensor]
  return factor === rate ? slope : undefined
}

/** @param factor what makes the products slopes along a step of this length */
function endOf(
  losses: ArrayLike<number>,
  products: ArrayLike<number>,
  factor: number,
  length: number,
): StepEnd {
  const [loss, product] = [momentsOf(losses), momentsOf(products)]
  return {
    loss: loss.mean,
    lossVariance: loss.variance,
    slope: (product.mean * factor) / length,
    slopeVariance: product.variance * (factor / length) ** 2,
  }
}
