/**
 * @file Losses against what they say of themselves: value, derivatives, independence of the samples, reductions and weights,
 * and the columns with which second order starts against the dense Hessian. All of it through the public protocol: a loss is
 * looked at through a model that adds nothing to its output.
 */
import {
  backward,
  type Columns,
  defineExtension,
  type Extension,
  type Flow,
  ggnFlow,
  gradient,
  hessian,
  type LossOptions,
  parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  type AnyTensor,
  BeyondgradError,
  type DType,
  formatShape,
  type NDArray,
  type Shape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import { demandClose, type Tolerance } from './close.ts'
import { checkDerivative } from './derivative.ts'
import { numbers } from './random-numbers.ts'
import { leaf, valuesOf } from './reference.ts'

/** A loss with the options that all of them take. */
export type CheckedLoss<T extends AnyTensor> = (output: Tensor, target: T, options?: LossOptions) => Tensor

export interface LossCheck<T extends AnyTensor> extends Tolerance {
  /** [N, ...]: samples on axis 0; away from kinks of the loss. */
  readonly output: Tensor
  /** Samples on axis 0, too. */
  readonly target: T
  /** The loss of one sample, plainly: the sum of its terms from its numbers, row-major. */
  readonly definition?: (output: Float64Array, target: readonly number[]) => number
  /** How many terms "mean" averages. Default: not checked. */
  readonly terms?: number
  /** How many draws are averaged. The more, the finer is what is noticed. Default: 4000. */
  readonly draws?: number
  /** Chooses directions, weights and draws. Default: 1. */
  readonly seed?: number
  /** Outputs of this size must not lead to NaN or infinity. Default: 1e4. */
  readonly far?: number
}

/** What a loss turned out to have. */
export interface LossReport {
  /** Whether exact columns come from a root, or from the second derivative, with weights of either sign. */
  readonly columns: 'root' | 'weighted'
  /** Whether Monte-Carlo columns can be drawn. */
  readonly sampled: boolean
}

/** Σ over the samples of columns' outer products, [D, D]. */
const block = (flow: Flow<Columns>): Extension<ParameterMap<Tensor>> =>
  defineExtension({
    name: 'check-loss',
    flow,
    parameter: ({ contribution }) => contribution.kroneckerFactors('expand').output,
  })

/** The columns themselves, [V, N, ...]. */
const columns = (flow: Flow<Columns>): Extension<ParameterMap<Tensor>> =>
  defineExtension({ name: 'check-loss', flow, parameter: ({ contribution }) => contribution.materialize() })

/** Outputs as a model whose only parameter is added to them: every sample's Jacobian is the identity. */
function asModel(output: Tensor): Tensor {
  const shape = output.shape.slice(1)
  const shift = parameter('output', { shape, dtype: 'float32', data: new Float32Array(sizeOf(shape)) })
  return output.add(shift.value)
}

const first = <T>(map: ParameterMap<T>): T => [...map][0]![1]

/** A sample as a batch of its own. */
function row({ data, shape, dtype }: NDArray<DType>, n: number): AnyTensor {
  const stride = sizeOf(shape.slice(1))
  return leaf(data.slice(n * stride, (n + 1) * stride), [1, ...shape.slice(1)], dtype)
}

const values = async (x: Tensor): Promise<Float64Array> => (await valuesOf([x]))[0]!.data as Float64Array

/**
 * Checks a loss on one batch, in double precision. Throws a sentence about the first thing that is wrong.
 *
 * @returns what the loss has, for tests to expect
 */
export async function checkLoss<T extends AnyTensor>(
  loss: CheckedLoss<T>,
  check: LossCheck<T>,
): Promise<LossReport> {
  const { rtol = 1e-7, atol = 1e-9 } = check
  const tolerance = { rtol, atol }
  const [output, target] = await valuesOf([check.output, check.target])
  const at: Batch<T> = {
    loss,
    tolerance,
    output: output!,
    target: target!,
    samples: output!.shape[0]!,
    size: sizeOf(output!.shape.slice(1)),
  }
  const whole = leaf(output!.data, output!.shape, 'float32') as Tensor
  const targets = leaf(target!.data, target!.shape, target!.dtype) as T
  const sum = (x: Tensor): Tensor => loss(x, targets, { reduction: 'sum' })
  if (sum(whole).shape.length !== 0) {
    throw new Error(`the loss must be a scalar, not a tensor of shape ${formatShape(sum(whole).shape)}`)
  }
  await checkDefinition(at, sum(whole), check.definition)
  await checkDerivative(sum, [whole], { seed: check.seed })
  await checkApart(at, whole, targets)
  await checkReduction(at, whole, targets, check.terms)
  await checkWeights(at, whole, targets, check.seed ?? 1)
  const report = await checkCurvature(at, check)
  await checkFar(at, check.far ?? 1e4)
  return report
}

interface Batch<T extends AnyTensor> {
  readonly loss: CheckedLoss<T>
  readonly tolerance: Tolerance
  readonly output: NDArray<DType>
  readonly target: NDArray<DType>
  readonly samples: number
  /** Numbers of one sample's output. */
  readonly size: number
}

const rowOf = <T extends AnyTensor>({ output, target }: Batch<T>, n: number): readonly [Tensor, T] => [
  row(output, n) as Tensor,
  row(target, n) as T,
]

async function checkDefinition<T extends AnyTensor>(
  at: Batch<T>,
  sum: Tensor,
  definition: LossCheck<T>['definition'],
): Promise<void> {
  const total = await values(sum)
  const parts: number[] = []
  for (let n = 0; n < at.samples; n++) {
    const [x, y] = rowOf(at, n)
    const [alone, f, aim] = await valuesOf([at.loss(x, y, { reduction: 'sum' }), x, y])
    parts.push(Number(alone!.data[0]))
    if (definition === undefined) continue
    const expected = definition(f!.data as Float64Array, Array.from(aim!.data as Float64Array, Number))
    demandClose(`value of sample ${n}`, [parts[n]!], [expected], [1], at.tolerance)
  }
  const added = parts.reduce((a, b) => a + b, 0)
  demandClose('"sum" of the batch against its samples alone', total, [added], [1], at.tolerance)
}

/** No second derivative between two samples. */
async function checkApart<T extends AnyTensor>(at: Batch<T>, whole: Tensor, targets: T): Promise<void> {
  const { samples, size } = at
  const dense = await values(hessian(at.loss(whole, targets, { reduction: 'sum' }), whole))
  for (let i = 0; i < dense.length; i++) {
    const [m, n] = [Math.floor(i / (samples * size) / size), Math.floor((i % (samples * size)) / size)]
    if (m === n || Math.abs(dense[i]!) <= at.tolerance.atol!) continue
    throw new Error(
      `samples ${m} and ${n} are not independent: their second derivative is ${dense[i]!}; the terms of a sample may look at no other`,
    )
  }
}

/** "mean" is "sum" times what the protocol says that it is. */
async function checkReduction<T extends AnyTensor>(
  at: Batch<T>,
  whole: Tensor,
  targets: T,
  terms: number | undefined,
): Promise<void> {
  const [mean, sum] = (['mean', 'sum'] as const).map((reduction) => at.loss(whole, targets, { reduction }))
  const scale: Extension<Tensor> = defineExtension(
    { name: 'check-loss', flow: ggnFlow({ samples: 'empirical' }), parameter: () => undefined },
    ({ context }) => context.normalizer.value,
  )
  const model = asModel(whole)
  const found = backward(at.loss(model, targets, { reduction: 'mean' }), { scale }).scale
  const [factor] = await values(found)
  const [a, b] = [await values(mean!), await values(sum!)]
  demandClose('"mean" against "sum" times its scale', a, [b[0]! * factor!], [1], at.tolerance)
  const slopes = [mean!, sum!].map((x) => gradient(x, [whole])[0]!)
  const [g, h] = [await values(slopes[0]!), await values(slopes[1]!)]
  const scaled = h.map((x) => x * factor!)
  demandClose('gradient of "mean" against that of "sum"', g, scaled, whole.shape, at.tolerance)
  if (terms !== undefined) demandClose('1 / terms of "mean"', [factor!], [1 / terms], [1], at.tolerance)
}

/** A weight multiplies the gradient of its sample; 0 leaves it out. */
async function checkWeights<T extends AnyTensor>(
  at: Batch<T>,
  whole: Tensor,
  targets: T,
  seed: number,
): Promise<void> {
  const random = numbers(seed)
  const weight = Float64Array.from({ length: at.samples }, (_, n) => (n === 1 ? 0 : 0.5 + random.next()))
  const sampleWeight = leaf(weight, [at.samples], 'float32') as Tensor
  const slope = (options: LossOptions): Promise<Float64Array> =>
    values(gradient(at.loss(whole, targets, { reduction: 'sum', ...options }), [whole])[0]!)
  const [plain, weighted] = [await slope({}), await slope({ sampleWeight })]
  const expected = plain.map((g, i) => g * weight[Math.floor(i / at.size)]!)
  demandClose('gradient with sampleWeight', weighted, expected, whole.shape, at.tolerance)
}

/** Exact and drawn columns of every sample, weighted by what is no square, against its dense Hessian. */
async function checkCurvature<T extends AnyTensor>(at: Batch<T>, check: LossCheck<T>): Promise<LossReport> {
  const { draws = 4000, seed = 1 } = check
  const shape = [at.size, at.size]
  let report: LossReport = { columns: 'root', sampled: true }
  for (let n = 0; n < at.samples; n++) {
    const [x, y] = rowOf(at, n)
    for (const weight of [undefined, 0.7]) {
      const options = weightOf(weight)
      const dense = await values(hessian(at.loss(x, y, options), x))
      const model = at.loss(asModel(x), y, options)
      const named = `of sample ${n}${weight === undefined ? '' : ` with sampleWeight ${weight}`}`
      const exact = await values(first(backward(model, { found: block(ggnFlow()) }).found))
      demandClose(`exact columns ${named} against the Hessian`, exact, dense, shape, at.tolerance)
      if (!isRefused(() => backward(model, { found: columns(ggnFlow()) }))) {
        const root = await valuesOf([first(backward(model, { found: columns(ggnFlow()) }).found)])
        demandClose(`hessianRoot ${named}`, outer(root[0]!, at.size), dense, shape, at.tolerance)
      } else report = { ...report, columns: 'weighted' }
      const monteCarlo = columns(ggnFlow({ samples: draws, seed }))
      if (isRefused(() => backward(model, { found: monteCarlo }))) report = { ...report, sampled: false }
      else {
        const [drawn] = await valuesOf([first(backward(model, { found: monteCarlo }).found)])
        demandAverage(`sampleRoot ${named}`, drawn!, dense, at.size, draws)
      }
    }
  }
  return report
}

const weightOf = (weight: number | undefined): LossOptions => ({
  reduction: 'sum',
  ...(weight !== undefined && { sampleWeight: leaf(Float64Array.of(weight), [1], 'float32') as Tensor }),
})

function isRefused(build: () => unknown): boolean {
  try {
    build()
    return false
  } catch (error) {
    if (error instanceof BeyondgradError && error.code === 'unsupported') return true
    throw error
  }
}

/** Σᵥ Sᵥ Sᵥᵀ. */
function outer(
  { shape, data }: { readonly shape: Shape; readonly data: ArrayLike<unknown> },
  size: number,
): Float64Array {
  const all = data as Float64Array
  const result = new Float64Array(size * size)
  for (let v = 0; v < shape[0]!; v++) {
    for (let i = 0; i < size; i++) {
      const here = all[v * size + i]!
      if (here === 0) continue
      for (let j = 0; j < size; j++) result[i * size + j]! += here * all[v * size + j]!
    }
  }
  return result
}

/** The average of draws is within seven standard errors, which the draws themselves tell. */
function demandAverage(
  what: string,
  drawn: NDArray<DType>,
  dense: Float64Array,
  size: number,
  draws: number,
): void {
  const data = drawn.data as Float64Array
  if (drawn.shape[0] !== draws) throw new Error(`${what}: made ${drawn.shape[0]} columns of ${draws} draws`)
  const average = outer(drawn, size)
  const scale = Math.max(1e-12, ...dense.map(Math.abs))
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      let spread = 0
      for (let m = 0; m < draws; m++) {
        spread += (draws * data[m * size + i]! * data[m * size + j]! - average[i * size + j]!) ** 2
      }
      const [found, expected] = [average[i * size + j]!, dense[i * size + j]!]
      const error = Math.sqrt(spread) / draws
      // A rare draw that never happened shows in no spread.
      if (Math.abs(found - expected) <= 7 * error + (20 * scale) / draws) continue
      throw new Error(
        `${what}: the outer products of ${draws} draws average to ${found} at [${i}, ${j}], the Hessian is ${expected}; is a factor missing, or a draw not from the model's own distribution?`,
      )
    }
  }
}

/** Large outputs of either sign. */
async function checkFar<T extends AnyTensor>(at: Batch<T>, far: number): Promise<void> {
  const data = Float64Array.from({ length: at.samples * at.size }, (_, i) => [far, -far, 0, far][i % 4]!)
  const output = leaf(data, at.output.shape, 'float32') as Tensor
  const target = leaf(at.target.data, at.target.shape, at.target.dtype) as T
  const value = at.loss(output, target, { reduction: 'sum' })
  const found = first(
    backward(at.loss(asModel(output), target, { reduction: 'sum' }), { h: block(ggnFlow()) }).h,
  )
  const parts = { value, gradient: gradient(value, [output])[0]!, 'exact columns': found }
  for (const [what, tensor] of Object.entries(parts)) {
    const wrong = (await values(tensor)).find((x) => !Number.isFinite(x))
    if (wrong === undefined) continue
    throw new Error(
      `${what} for outputs of ±${far}: contains ${wrong}; shift what goes into exp, guard what is divided by`,
    )
  }
}
