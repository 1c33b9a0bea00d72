/**
 * @file What quantities are made of, by brute force: every sample goes through the model alone, and curvature is a
 * dense matrix. Nothing here knows of sample axes, contributions or columns.
 */
import { gradient, hessian, jacobian, type Loss, type Module, type Parameter } from '@beyondgrad/autograd'
import { type AnyTensor, type DType, type NDArray, sizeOf, type Tensor } from '@beyondgrad/tensor'
import { leaf, valuesOf } from './reference.ts'

/** A model, a loss and a batch. */
export interface Problem<T extends AnyTensor = AnyTensor> {
  readonly model: Module
  /** The whole of what is differentiated, scale and all, from the model's output and the targets. */
  readonly loss: Loss<T>
  readonly inputs: Tensor
  readonly targets: T
}

/** A dense matrix, row by row. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** P is the number of a parameter's elements, C that of a sample's outputs. */
export interface BruteForce {
  readonly samples: number
  readonly parameters: readonly Parameter[]
  /** What every sample's own loss is multiplied with in the whole: 1, or 1 / samples. */
  readonly scale: number
  /** Every sample's output, [N, C]. */
  outputs(): Promise<Matrix>
  /** The gradient of the whole loss with respect to each sample's output, [N, C]. */
  slopes(): Promise<Matrix>
  /** The gradient of the whole loss. */
  gradient(parameter: Parameter): Promise<Float64Array>
  /** Every sample's part of it, [N, P]. */
  sampleGradients(parameter: Parameter): Promise<Matrix>
  /** Jₙ for each sample, [C, P]. */
  jacobians(parameter: Parameter): Promise<readonly Matrix[]>
  /** The Hessian of the whole loss with respect to each sample's output, [C, C]. */
  lossHessians(): Promise<readonly Matrix[]>
  /** The generalised Gauss-Newton block Σₙ Jₙᵀ Hₙ Jₙ, [P, P]. */
  ggn(parameter: Parameter): Promise<Matrix>
  /** The Hessian block of the whole loss, [P, P]. */
  hessian(parameter: Parameter): Promise<Matrix>
  /** Every sample's part of it, [P, P]. */
  sampleHessians(parameter: Parameter): Promise<readonly Matrix[]>
}

/** Computes on the reference engine, when asked, and for small models. */
export async function bruteForce<T extends AnyTensor>(problem: Problem<T>): Promise<BruteForce> {
  const { model, loss } = problem
  const [inputs, targets] = await valuesOf([problem.inputs, problem.targets])
  const samples = inputs!.shape[0]!
  const parts = Array.from({ length: samples }, (_, n) => {
    const x = row(inputs!, n) as Tensor
    const y = row(targets!, n) as T
    const output = model(x)
    return { output, y, loss: loss(output, y) }
  })
  const whole = loss(
    model(leaf(inputs!.data, inputs!.shape, inputs!.dtype) as Tensor),
    leaf(targets!.data, targets!.shape, targets!.dtype) as T,
  )
  const scale = await scaleOf(
    whole,
    parts.map((part) => part.loss),
  )
  const parameters = [...model.parameters].map(([parameter]) => parameter)

  const outputs = once(() => valuesOf(parts.map(({ output }) => output)))
  const lossHessians = once(async () => {
    const values = await outputs()
    const blocks = parts.map(({ y }, n) => {
      const { data, shape, dtype } = values[n]!
      const output = leaf(data, shape, dtype) as Tensor
      return hessian(loss(output, y).mul(scale), output)
    })
    const size = sizeOf(values[0]?.shape.slice(1) ?? [])
    return (await valuesOf(blocks)).map((block) => matrix(block, size, size))
  })
  const jacobians = perParameter(async (parameter) => {
    const dense = await valuesOf(parts.map(({ output }) => jacobian(output, parameter.value)))
    const size = sizeOf(parameter.shape)
    return dense.map((each) => matrix(each, each.data.length / size, size))
  })
  const perSample = (values: readonly NDArray<DType>[]): Matrix => {
    const data = Float64Array.from(values.flatMap((each) => Array.from(each.data as Float64Array)))
    return { rows: samples, columns: data.length / samples, data }
  }
  return {
    samples,
    parameters,
    scale,
    outputs: async () => perSample(await outputs()),
    slopes: async () => {
      const values = await outputs()
      const slopes = parts.map(({ y }, n) => {
        const { data, shape, dtype } = values[n]!
        const output = leaf(data, shape, dtype) as Tensor
        return gradient(loss(output, y).mul(scale), [output])[0]!
      })
      return perSample(await valuesOf(slopes))
    },
    lossHessians,
    jacobians,
    ggn: ggnFrom(jacobians, lossHessians),
    gradient: perParameter(async (parameter) => {
      const [value] = await valuesOf(gradient(whole, [parameter.value]))
      return value!.data as Float64Array
    }),
    sampleGradients: perParameter(async (parameter) => {
      return perSample(
        await valuesOf(parts.map((part) => gradient(part.loss.mul(scale), [parameter.value])[0]!)),
      )
    }),
    sampleHessians: perParameter(async (parameter) => {
      const size = sizeOf(parameter.shape)
      const each = await valuesOf(parts.map((part) => hessian(part.loss.mul(scale), parameter.value)))
      return each.map((value) => matrix(value, size, size))
    }),
    hessian: perParameter(async (parameter) => {
      const [value] = await valuesOf([hessian(whole, parameter.value)])
      const size = sizeOf(parameter.shape)
      return matrix(value!, size, size)
    }),
  }
}

type PerParameter<T> = (parameter: Parameter) => Promise<T>

function ggnFrom(
  jacobians: PerParameter<readonly Matrix[]>,
  lossHessians: () => Promise<readonly Matrix[]>,
): PerParameter<Matrix> {
  return perParameter(async (parameter) => {
    const size = sizeOf(parameter.shape)
    const data = new Float64Array(size * size)
    const curvatures = await lossHessians()
    for (const [n, j] of (await jacobians(parameter)).entries()) addSandwich(data, j, curvatures[n]!)
    return { rows: size, columns: size, data }
  })
}

/** The same with other matrices in the place of the loss's Hessians, for what is made of these. */
export function withLossHessians(at: BruteForce, compute: () => Promise<readonly Matrix[]>): BruteForce {
  const lossHessians = once(compute)
  return { ...at, lossHessians, ggn: ggnFrom((parameter) => at.jacobians(parameter), lossHessians) }
}

/** Σ of all samples' losses, or their mean: the values tell which. */
async function scaleOf(whole: Tensor, alone: readonly Tensor[]): Promise<number> {
  const [total, ...parts] = (await valuesOf([whole, ...alone])).map(({ data }) => Number(data[0]))
  const sum = parts.reduce((a, b) => a + b, 0)
  for (const scale of [1, 1 / alone.length]) {
    if (Math.abs(total! - sum * scale) <= 1e-9 * (1 + Math.abs(total!))) return scale
  }
  throw new Error(
    `the loss of the batch, ${total}, is neither the sum nor the mean of what its samples have alone (${sum} in all): they are not independent`,
  )
}

/** One sample as a batch of its own. */
function row({ data, shape, dtype }: NDArray<DType>, n: number): AnyTensor {
  const stride = sizeOf(shape.slice(1))
  return leaf(data.slice(n * stride, (n + 1) * stride), [1, ...shape.slice(1)], dtype)
}

const matrix = ({ data }: NDArray<DType>, rows: number, columns: number): Matrix => ({
  rows,
  columns,
  data: data as Float64Array,
})

/** Adds Jᵀ H J. */
function addSandwich(target: Float64Array, j: Matrix, h: Matrix): void {
  const { rows: outputs, columns: size } = j
  for (let c = 0; c < outputs; c++) {
    for (let d = 0; d < outputs; d++) {
      const weight = h.data[c * outputs + d]!
      if (weight === 0) continue
      for (let p = 0; p < size; p++) {
        const factor = weight * j.data[c * size + p]!
        for (let q = 0; q < size; q++) target[p * size + q]! += factor * j.data[d * size + q]!
      }
    }
  }
}

function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined
  return () => (known ??= compute())
}

function perParameter<T>(compute: PerParameter<T>): PerParameter<T> {
  const known = new Map<object, Promise<T>>()
  return (parameter) => {
    let value = known.get(parameter.cell)
    if (value === undefined) known.set(parameter.cell, (value = compute(parameter)))
    return value
  }
}
