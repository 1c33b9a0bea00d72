/** @file How large gradients and steps are, and how far training has come. One number for each parameter. */
import { type Buffer, buffer } from '@beyondgrad/autograd'
import { type NDArray, type NamedMap, sub, type Tensor } from '@beyondgrad/tensor'
import { Gradient } from '@beyondgrad/backpack'
import { absent, defineInstrument, type Instrument } from '../instrument.ts'
import { type InstrumentOptions, scheduled } from './options.ts'
import { squaredNormOf } from './samples.ts'

/** Scalars by parameter as they are logged. */
export const numbersOf = (
  of: NamedMap<{ readonly name: string }, NDArray>,
): Readonly<Record<string, number>> => of.map(({ data }) => data[0]!).toObject()

/** Norms, of their squares. */
const rootsOf = (of: NamedMap<{ readonly name: string }, NDArray>): Readonly<Record<string, number>> =>
  of.map(({ data }) => Math.sqrt(data[0]!)).toObject()

/** Norm of the gradient of the mini-batch. */
export function GradNorm(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'GradNorm',
    ...scheduled(options),
    extensions: { gradient: Gradient() },
    measure: ({ results }) => ({ squares: results.gradient.map(squaredNormOf) }),
    log: ({ measured }) => rootsOf(measured.squares),
  })
}

/** Norm of what the update adds to the parameters, by whatever optimiser. */
export function UpdateSize(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'UpdateSize',
    ...scheduled(options),
    measure: ({ change }) => ({ squares: change.map(squaredNormOf) }),
    log: ({ measured }) => rootsOf(measured.squares),
  })
}

/** Distance of the parameters from where the run began, before the update. Its state is where that was. */
export function Distance(options: InstrumentOptions = {}): Instrument {
  return defineInstrument({
    name: 'Distance',
    ...scheduled(options),
    state: (parameters) => ({
      start: parameters.map((parameter) => kept(parameter.name, parameter.shape)),
      known: buffer('known', { shape: [], dtype: 'float32', data: new Float32Array(1) }),
    }),
    begin: ({ step, parameters, state }) => {
      if (step !== 0) return
      // Updates swap buffers and never write into one, so that this is the beginning for good.
      for (const [parameter] of parameters) setBuffer(state.start.get(parameter), parameter.cell.data)
      setBuffer(state.known, Float32Array.of(1))
    },
    measure: ({ parameters, state }) => ({
      squares: parameters.map((parameter) =>
        squaredNormOf(sub(parameter.value, state.start.get(parameter).value as Tensor)),
      ),
    }),
    log: ({ measured, state }) =>
      state.known.cell.data[0] === 1
        ? rootsOf(measured.squares)
        : absent('the run was resumed without the state of the cockpit, which has the parameters of step 0'),
  })
}

/** State of a parameter: zeros, until something is written. */
export function kept(name: string, shape: readonly number[]): Buffer {
  const size = shape.reduce((a, b) => a * b, 1)
  return buffer(name, { shape: [...shape], dtype: 'float32', data: new Float32Array(size) })
}

/** Puts numbers into state on the host. */
export function setBuffer(of: Buffer, data: Buffer['cell']['data']): void {
  of.cell.data = data
  of.cell.version++
}
