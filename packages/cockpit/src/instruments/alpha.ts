/** @file Where steps end on the parabola along them: too short, right, or too long. */
import { buffer, type Contribution, type ParameterMap } from '@beyondgrad/autograd'
import { mul, neg, type Tensor } from '@beyondgrad/tensor'
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
      direction: parameters.map(({ name, shape }) => kept(name, shape)),
      // Step, length, loss, its variance, slope, its variance.
      start: buffer('start', { shape: [6], dtype: 'float32', data: Float32Array.of(-1, 0, 0, 0, 0, 0) }),
    }),
    extensions: { contributions: Contributions(), losses: SampleLosses() },
    measure: ({ results, change, learningRate, state, updates }) => ({
      losses: results.losses,
      slopes: slopesAlong(results.contributions, change, learningRate),
      square: added(change.map(squaredNormOf)),
      direction: updates([...change].map(([parameter, x]) => [state.direction.get(parameter), x] as const)),
    }),
    log: ({ measured, step, state }) => {
      const length = Math.sqrt(measured.square.data[0]!)
      const end = endOf(measured.losses.data, measured.slopes.data, length)
      const { loss, lossVariance, slope, slopeVariance } = end
      const numbers = Float64Array.of(step, length, loss, lossVariance, slope, slopeVariance)
      setBuffer(state.start, numbers)
      return undefined
    },
    after: {
      extensions: { contributions: Contributions(), losses: SampleLosses() },
      measure: ({ results, state }) => ({
        losses: results.losses,
        slopes: slopesAlong(
          results.contributions,
          results.contributions.map((_, parameter) => state.direction.get(parameter).value as Tensor),
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
        const end = endOf(measured.losses.data, measured.slopes.data, length)
        const alpha = normalizedStepLength({ loss, lossVariance, slope, slopeVariance }, end, length)
        return alpha ?? absent('no single parabola fits both ends of the step')
      },
    },
  })
}

/**
 * ⟨gₙ, direction⟩ for every sample, without the scale of a mean: [N].
 *
 * @param rate that of the step, by which plain descent multiplies the gradient
 */
function slopesAlong(
  contributions: ParameterMap<Contribution>,
  direction: ParameterMap<Tensor>,
  rate?: Tensor,
): Tensor {
  return added(
    contributions.map((contribution, parameter) => {
      const along = direction.get(parameter)
      const slope = descentOf(along, rate)
      // The gradient tests want the products with the gradient, too.
      const products =
        slope === undefined ? contribution.dot(along) : neg(mul(contribution.dot(slope), rate!))
      return products.mul(contribution.samples)
    }),
  )
}

/** g where the direction is −rate g; undefined for every other. */
function descentOf(direction: Tensor, rate: Tensor | undefined): Tensor | undefined {
  const [step] = direction.inputs
  if (rate === undefined || direction.op.name !== 'neg' || step?.op.name !== 'mul') return undefined
  const [slope, factor] = step.inputs as readonly [Tensor, Tensor]
  return factor === rate ? slope : undefined
}

function endOf(losses: ArrayLike<number>, slopes: ArrayLike<number>, length: number): StepEnd {
  const [loss, slope] = [momentsOf(losses), momentsOf(slopes)]
  return {
    loss: loss.mean,
    lossVariance: loss.variance,
    slope: slope.mean / length,
    slopeVariance: slope.variance / length ** 2,
  }
}
