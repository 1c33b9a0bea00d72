/**
 * @file Which samples pull against the rest of their batch, and how much they lose: where a label is wrong, the others undo what its sample
 * asks for. From what the gradient tests and the step length compute anyway.
 */
import { buffer } from '@beyondgrad/autograd'
import { absent, defineInstrument, type Instrument } from '../instrument.ts'
import { spreadOf } from './gradient-tests.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { Contributions, SampleLosses } from './samples.ts'
import { setBuffer } from './sizes.ts'

/** How many samples are named at a step. */
const named = 8

/** A sample against the rest of its batch. */
interface Sample {
  readonly place: number
  readonly cosine: number
  readonly loss: number
}

/**
 * Agreement of each sample's gradient gₙ with the sum of all others, r = Σₘ gₘ − gₙ: `{ opposed, above: { opposed, others }, beginning, losses: {
 * opposed?, others?, below? }, most }`. `opposed` is the share of samples with ⟨gₙ, r⟩ < 0, `above` that of samples whose loss is above
 * `beginning`, the mean loss of the first tracked step, by whether they oppose. `losses` are means: of both kinds, and of all that are below.
 `most: { cosines, losses, indices? }` are up to 8 of those that oppose and are above, the most
 * opposed ones first, by ⟨gₙ, r⟩ / (‖gₙ‖ ‖r‖), and where they are in the data set.
 *
 * With p = ⟨gₙ, ḡ⟩: ⟨gₙ, r⟩ = N p − ‖gₙ‖² and ‖r‖² = N² ‖ḡ‖² − 2 N p + ‖gₙ‖², so that no products of pairs are needed.
 */
export function GradAgreement(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'GradAgreement',
    ...scheduled(options),
    extensions: { contributions: Contributions(), losses: SampleLosses() },
    // The loss at the beginning, and whether it is known.
    state: () => ({
      beginning: buffer('beginning', { shape: [2], dtype: 'float32', data: new Float32Array(2) }),
    }),
    measure: ({ results }) => ({ ...spreadOf(results.contributions), losses: results.losses }),
    log: ({ measured, batchSize, loss, indices, state }) => {
      if (state.beginning.cell.data[1] === 0) setBuffer(state.beginning, Float32Array.of(loss, 1))
      const beginning = Number(state.beginning.cell.data[0])
      if (batchSize === 1) return absent('batch size 1')
      const square = [...measured.squares].reduce((sum, [, { data }]) => sum + data[0]!, 0)
      if (!Number.isFinite(square)) return absent('the gradient is not finite')
      if (square === 0) return absent('the gradient is zero')
      const { norms, along, losses } = measured
      const all = Array.from({ length: batchSize }, (_, place) => {
        // The scale of a mean is in norms twice, and in products with the gradient once.
        const own = norms.data[place]! * batchSize ** 2
        const total = along.data[place]! * batchSize ** 2
        const inner = total - own
        const rest = batchSize ** 2 * square - 2 * total + own
        const cosine = own > 0 && rest > 0 ? Math.max(-1, inner / Math.sqrt(own * rest)) : 0
        return { place, cosine, loss: losses.data[place]! }
      })
      const opposed = all.filter(({ cosine }) => cosine < 0)
      const others = all.filter(({ cosine }) => cosine >= 0)
      const isAbove = (each: Sample): boolean => each.loss > beginning
      const above = opposed.filter(isAbove)
      const most = above.toSorted((a, b) => a.cosine - b.cosine).slice(0, named)
      return {
        opposed: opposed.length / batchSize,
        above: { opposed: above.length / batchSize, others: others.filter(isAbove).length / batchSize },
        beginning,
        losses: {
          ...meanLoss('opposed', opposed),
          ...meanLoss('others', others),
          ...meanLoss(
            'below',
            all.filter((each) => !isAbove(each)),
          ),
        },
        most: {
          cosines: most.map(({ cosine }) => cosine),
          losses: most.map((each) => each.loss),
          ...(indices && { indices: most.map(({ place }) => indices[place]!) }),
        },
      }
    },
  })
}

const meanLoss = (name: string, of: readonly Sample[]): Readonly<Record<string, number>> =>
  of.length === 0 ? {} : { [name]: of.reduce((sum, { loss }) => sum + loss, 0) / of.length }
