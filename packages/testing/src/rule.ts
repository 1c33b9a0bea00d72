/** @file Everything that the rules of an op say, at once. */
import { vjp } from '@beyondgrad/autograd'
import { type AnyTensor, hostData, sizeOf, type Tensor } from '@beyondgrad/tensor'
import { checkVmap } from './batching.ts'
import { checkDerivative, type DerivativeOptions } from './derivative.ts'
import { type Numbers, numbers, randomTensor } from './random-numbers.ts'
import { asLeaves, isDifferentiable, leaf } from './reference.ts'

/** Examples that a batch is made of. */
const batchSize = 3

/**
 * Checks an op, or any function of tensors, at the given inputs: first and second derivatives against finite
 * differences, and the batching of the function and of its vjp against a loop, over one input at a time and all. Throws a
 * sentence about the first disagreement.
 */
export async function checkRule<const A extends readonly AnyTensor[]>(
  fn: (...inputs: A) => Tensor,
  inputs: A,
  options: DerivativeOptions = {},
): Promise<void> {
  await checkDerivative(fn, inputs, options)
  const random = numbers(options.seed ?? 1)
  const leaves = await asLeaves(inputs)
  const call = (all: readonly AnyTensor[]): Tensor => fn(...(all as unknown as A))
  const every = leaves.map(() => true)
  for (const which of [...leaves.map((_, i) => leaves.map((__, j) => i === j)), every]) {
    const axes = which.map((is, i) => (is ? random.integer(leaves[i]!.shape.length + 1) : null))
    const batched = leaves.map((x, i) => (axes[i] == null ? x : examples(x, axes[i], random)))
    await checkVmap((...all: readonly AnyTensor[]) => call(all), batched, axes)
    await checkCotangents(call, leaves, batched, axes, random)
  }
}

/** The vjp with batched inputs, and with a batch of cotangents at one point: what a sweep of columns does. */
async function checkCotangents(
  call: (inputs: readonly AnyTensor[]) => Tensor,
  inputs: readonly AnyTensor[],
  batched: readonly AnyTensor[],
  axes: readonly (number | null)[],
  random: Numbers,
): Promise<void> {
  const { shape } = call(inputs)
  const one = randomTensor(shape, random)
  const many = randomTensor([batchSize, ...shape], random)
  for (const [i, input] of inputs.entries()) {
    if (!isDifferentiable(input)) continue
    const back = (...all: readonly AnyTensor[]): Tensor => {
      const at = all.slice(0, -1)
      return vjp(call(at), [at[i]!], all.at(-1) as AnyTensor as Tensor)[0]!
    }
    await checkVmap(back, [...batched, one], [...axes, null])
    await checkVmap(back, [...inputs, many], [...inputs.map(() => null), 0])
  }
}

/** Several examples like the given one: floats a little moved, everything else repeated. */
function examples(x: AnyTensor, axis: number, random: Numbers): AnyTensor {
  const data = hostData(x)!
  const inner = sizeOf(x.shape.slice(axis))
  const shape = (x.shape as number[]).toSpliced(axis, 0, batchSize)
  const values = new (data.constructor as Float64ArrayConstructor)(data.length * batchSize)
  for (let at = 0; at < values.length; at++) {
    const from = Math.floor(at / (inner * batchSize)) * inner + (at % inner)
    const value = data[from] as number
    values[at] = isDifferentiable(x) ? value * (1 + 0.1 * random.next()) : value
  }
  return leaf(values, shape, x.dtype)
}
