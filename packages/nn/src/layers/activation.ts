/** @file Activation functions as layers. Names and defaults are PyTorch's. */
import { type Module, parameter } from '@beyondgrad/autograd'
import {
  BeyondgradError,
  celu,
  elu,
  formatShape,
  gelu,
  hardSigmoid,
  hardSwish,
  hardTanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  prelu,
  relu,
  relu6,
  reshape,
  selu,
  ShapeError,
  sigmoid,
  silu,
  softmax,
  softplus,
  softsign,
  tanh,
  type Tensor,
} from '@beyondgrad/tensor'
import { moduleOf } from '../module.ts'
import { demandPositive } from './sizes.ts'

/** max(x, 0) */
export function ReLU(): Module {
  return moduleOf(relu)
}

/** x above 0, `negativeSlope` (default 0.01) times x below. */
export function LeakyReLU(negativeSlope = 0.01): Module {
  return moduleOf((x) => leakyRelu(x, { negativeSlope }))
}

export interface PReLUOptions {
  /** Slope below 0 at the start. Default: 0.25. */
  readonly init?: number
}

/**
 * x above 0, a learned slope times x below. Parameter: weight, one slope for all or one for each channel (axis 1).
 *
 * @param channels 1, or the size of axis 1. Default: 1
 */
export function PReLU(channels = 1, { init = 0.25 }: PReLUOptions = {}): Module {
  demandPositive('PReLU', { channels })
  const data = new Float32Array(channels).fill(init)
  const weight = parameter('weight', { shape: [channels], dtype: 'float32', data })
  return moduleOf(
    (x: Tensor) => {
      if (channels === 1) return prelu(x, weight.value)
      if (x.shape.length < 2 || x.shape[1] !== channels) {
        throw new ShapeError('PReLU', `expects [N, ${channels}, ...], got ${formatShape(x.shape)}`)
      }
      return prelu(x, reshape(weight.value, [channels, ...x.shape.slice(2).map(() => 1)]))
    },
    [weight],
  )
}

/** x above 0, α (eˣ − 1) below; α is 1 unless given. */
export function ELU(alpha = 1): Module {
  return moduleOf((x) => elu(x, { alpha }))
}

/** `ELU` scaled so that activations keep mean 0 and variance 1. */
export function SELU(): Module {
  return moduleOf(selu)
}

/** x above 0, α (exp(x/α) − 1) below; α is 1 unless given. */
export function CELU(alpha = 1): Module {
  if (alpha === 0) throw new BeyondgradError('value', 'CELU: alpha must not be 0')
  return moduleOf((x) => celu(x, { alpha }))
}

export interface GELUOptions {
  /** 'tanh' takes the usual approximation of Φ. Default: 'none'. */
  readonly approximate?: 'none' | 'tanh'
}

/** x Φ(x) */
export function GELU(options: GELUOptions = {}): Module {
  return moduleOf((x) => gelu(x, options))
}

/** x · sigmoid(x) */
export function SiLU(): Module {
  return moduleOf(silu)
}

/** x · tanh(softplus(x)) */
export function Mish(): Module {
  return moduleOf(mish)
}

/** log(1 + eᵝˣ) / β; β is 1 unless given. */
export function Softplus(beta = 1): Module {
  return moduleOf((x) => softplus(x, { beta }))
}

/** x / (1 + |x|) */
export function Softsign(): Module {
  return moduleOf(softsign)
}

/** x between two numbers, −1 and 1 unless given. */
export function Hardtanh(minVal = -1, maxVal = 1): Module {
  if (!(minVal < maxVal)) {
    throw new BeyondgradError('value', `Hardtanh: minVal ${minVal} must be below maxVal ${maxVal}`)
  }
  return moduleOf((x) => hardTanh(x, { minVal, maxVal }))
}

/** min(max(x, 0), 6) */
export function ReLU6(): Module {
  return moduleOf(relu6)
}

/** x/6 + 1/2 between 0 and 1 */
export function Hardsigmoid(): Module {
  return moduleOf(hardSigmoid)
}

/** x · Hardsigmoid(x) */
export function Hardswish(): Module {
  return moduleOf(hardSwish)
}

/** log(1 / (1 + e⁻ˣ)) */
export function LogSigmoid(): Module {
  return moduleOf(logSigmoid)
}

/** 1 / (1 + e⁻ˣ) */
export function Sigmoid(): Module {
  return moduleOf(sigmoid)
}

/** (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) */
export function Tanh(): Module {
  return moduleOf(tanh)
}

/** exp(x) / Σ exp(x) along one axis, the last unless given. */
export function Softmax(axis = -1): Module {
  return moduleOf((x) => softmax(x, axis))
}

/** Logarithm of the softmax along one axis, the last unless given. */
export function LogSoftmax(axis = -1): Module {
  return moduleOf((x) => logSoftmax(x, axis))
}
