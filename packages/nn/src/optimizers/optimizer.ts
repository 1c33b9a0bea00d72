/** @file What optimisers share: the rate, the count of steps, state that is saved, and the limit on the gradient. */
import {
  type Buffer,
  buffer,
  type BufferMap,
  bufferMap,
  type Optimizer,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  type Cell,
  cellTensor,
  minimum,
  reciprocal,
  sqrt,
  type Tensor,
  type Updates,
  updates,
} from '@beyondgrad/tensor'
import type { Schedule } from '../schedules.ts'

/** What every optimiser can be told. */
export interface OptimizerOptions {
  /** A number, or a function of the step. */
  readonly learningRate: number | Schedule
  /** Adds this times the parameter to the gradient. Default: 0. */
  readonly weightDecay?: number
  /** Scales the gradient of all parameters together down to this norm, as `clip_grad_norm_` of PyTorch. */
  readonly clipNorm?: number
}

/** An optimiser whose rate can be changed between steps without a new trace, and whose state can be saved. */
export interface StatefulOptimizer extends Optimizer {
  /** The rate of the next step. Setting it ends a schedule. */
  learningRate: number
  /** Steps done; a resumed run goes on from here. */
  readonly steps: number
  /** The rate of any step. */
  rateAt(step: number): number
  /** What is saved besides the parameters: "step", "learning_rate", and what each parameter needs. */
  readonly state: BufferMap
  /**
   * @param rate the learning rate; needed if it is a schedule. Default: what `learningRate` is when the update runs
   */
  update(gradient: ParameterMap<Tensor>, rate?: Tensor): Updates
}

/** What a rule has at hand to update one parameter. */
export interface Step {
  readonly parameter: Parameter
  /** The gradient, clipped. */
  readonly gradient: Tensor
  readonly rate: Tensor
  /** Steps done before this one. */
  readonly count: Tensor
  /** State of this parameter. */
  readonly read: (name: string) => Tensor
  readonly write: (name: string, value: Tensor) => void
}

export interface OptimizerDefinition {
  readonly name: string
  readonly options: OptimizerOptions
  /** Names of the tensors kept for each parameter, in its shape; they start as zeros. */
  readonly slots: readonly string[]
  /** The parameter's new value. */
  readonly rule: (step: Step) => Tensor
}

/** An optimiser from its rule for one parameter. Frozen parameters have no state and stay as they are. */
export function optimizerOf(
  parameters: ParameterMap<Parameter>,
  { name, options, slots, rule }: OptimizerDefinition,
): StatefulOptimizer {
  const { clipNorm } = options
  if (clipNorm !== undefined && !(clipNorm > 0)) {
    throw new BeyondgradError('value', `${name}: clipNorm must be a positive number, not ${clipNorm}`)
  }
  let schedule = typeof options.learningRate === 'function' ? options.learningRate : undefined
  const first = typeof options.learningRate === 'function' ? options.learningRate(0) : options.learningRate
  demandNonNegative(name, 'learningRate', first)
  const rateBuffer = buffer('learning_rate', scalar(first))
  const count = buffer('step', scalar(0))
  const trained = [...parameters].map(([, p]) => p).filter((p) => p.trainable)
  const kept = new Map(trained.map((parameter) => [parameter.identity, slotsOf(parameter, slots)] as const))

  const stepOf = (
    parameter: Parameter,
    gradient: Tensor,
    rate: Tensor,
    writes: Map<Cell, AnyTensor>,
  ): Step => {
    const own = kept.get(parameter.identity)!
    return {
      parameter,
      gradient,
      rate,
      count: count.value as Tensor,
      read: (slot) => own.get(slot)!.value as Tensor,
      write: (slot, value) => {
        writes.set(own.get(slot)!.cell, value)
      },
    }
  }
  const rateAt = (step: number): number => {
    const rate = schedule === undefined ? Number(rateBuffer.cell.data[0]) : schedule(step)
    demandNonNegative(name, 'learningRate', rate)
    return rate
  }
  return {
    parameters,
    state: bufferMap([count, rateBuffer, ...[...kept.values()].flatMap((own) => [...own.values()])]),
    get steps(): number {
      return Number(count.cell.data[0])
    },
    get learningRate(): number {
      return rateAt(this.steps)
    },
    set learningRate(value: number) {
      demandNonNegative(name, 'learningRate', value)
      schedule = undefined
      rateBuffer.cell.data = scalar(value).data
      rateBuffer.cell.version++
    },
    rateAt,
    update: (gradient, rate) => {
      if (rate === undefined && schedule !== undefined) {
        throw new BeyondgradError(
          'value',
          `${name}: the learning rate is a schedule: give update() the rate of this step, as trainStep does`,
        )
      }
      const gradients = clipped(
        trained.map((parameter) => gradient.get(parameter)),
        clipNorm,
      )
      const writes = new Map<Cell, AnyTensor>()
      const learningRate = rate ?? (cellTensor(rateBuffer.cell) as Tensor)
      trained.forEach((parameter, i) => {
        const step = stepOf(parameter, gradients[i]!, learningRate, writes)
        writes.set(parameter.cell, rule(step))
      })
      writes.set(count.cell, (count.value as Tensor).add(1))
      return updates(writes)
    },
  }
}

function slotsOf(parameter: Parameter, slots: readonly string[]): Map<string, Buffer> {
  return new Map(
    slots.map((slot) => {
      const { shape, cell } = parameter
      const zeros = { shape, dtype: 'float32', data: new Float32Array(cell.data.length) } as const
      return [slot, buffer(`${parameter.name}.${slot}`, zeros)]
    }),
  )
}

function clipped(gradients: readonly Tensor[], norm: number | undefined): readonly Tensor[] {
  if (norm === undefined || gradients.length === 0) return gradients
  const squares = gradients.map((g) => g.square().sum()).reduce((a, b) => a.add(b))
  const factor = minimum(reciprocal(sqrt(squares).add(1e-6)).mul(norm), 1)
  return gradients.map((g) => g.mul(factor))
}

/** Throws `value` for what is negative or not finite. */
export function demandNonNegative(optimizer: string, name: string, value: number): void {
  if (value >= 0 && Number.isFinite(value)) return
  throw new BeyondgradError('value', `${optimizer}: ${name} must be a non-negative number, not ${value}`)
}

/** Throws `value` unless 0 ≤ value < 1. */
export function demandShare(optimizer: string, name: string, value: number): void {
  if (value >= 0 && value < 1) return
  throw new BeyondgradError('value', `${optimizer}: ${name} must be at least 0 and below 1, not ${value}`)
}

function scalar(value: number) {
  // Engines of single precision round it themselves.
  const data = Float64Array.of(value) as unknown as Float32Array<ArrayBuffer>
  return { shape: [], dtype: 'float32', data } as const
}

/** The gradient plus weight decay times the parameter. */
export function decayed({ gradient, parameter }: Step, weightDecay: number): Tensor {
  return weightDecay === 0 ? gradient : gradient.add(parameter.value.mul(weightDecay))
}
