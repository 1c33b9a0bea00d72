/** @file What a step shows without further work: its loss, its parameters, the time. */
import { defineInstrument, type Instrument } from '../instrument.ts'
import type { LoggedValue } from '../log/run-line.ts'
import { type InstrumentOptions, scheduled } from './options.ts'

/** The loss of the mini-batch, before the update. */
export function Loss(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({ name: 'Loss', ...scheduled(options), log: ({ loss }) => loss })
}

/** Seconds since 1970, taken when the step has run. Differences are times of steps. */
export function Time(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({ name: 'Time', ...scheduled(options), log: () => Date.now() / 1000 })
}

/** All parameters before the update, as nested lists. For research: as many numbers as the model has, at every tracked step. */
export function Parameters(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'Parameters',
    ...scheduled(options),
    measure: ({ parameters }) => ({ values: parameters.map(({ value }) => value) }),
    log: ({ measured }) =>
      measured.values
        .map(({ data, shape }) => nested(Array.from(data as ArrayLike<number>), shape))
        .toObject(),
  })
}

function nested(data: readonly number[], shape: readonly number[]): LoggedValue {
  const [size, ...rest] = shape
  if (size === undefined) return data[0]!
  const step = rest.reduce((a, b) => a * b, 1)
  return Array.from({ length: size }, (_, i) => nested(data.slice(i * step, (i + 1) * step), rest))
}
