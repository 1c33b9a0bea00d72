/** @file `vmap` of a function against a loop over the examples. */
import {
  type AnyTensor,
  formatShape,
  normalizeAxis,
  type Shape,
  sizeOf,
  stridesOf,
  vmap,
} from '@beyondgrad/tensor'
import { demandClose, type Tolerance } from './close.ts'
import { leaf, valuesOf } from './reference.ts'

/**
 * Checks that `vmap(fn, axes)` of batched inputs is the function of each example, stacked; throws at the first that is not.
 *
 * @param axes where each input has its batch axis, or null for one that all examples share; default 0 for all
 */
export async function checkVmap<const A extends readonly AnyTensor[]>(
  fn: (...inputs: A) => AnyTensor,
  inputs: A,
  axes: readonly (number | null)[] = inputs.map(() => 0),
  tolerance: Tolerance = {},
): Promise<void> {
  const [batched, ...values] = await valuesOf([vmap(fn, axes)(...inputs), ...inputs])
  const at = inputs.map((input, i) => {
    const axis = axes[i] ?? null
    return axis === null ? null : normalizeAxis('checkVmap', axis, input.shape.length)
  })
  const size = inputs.flatMap((input, i) => (at[i] == null ? [] : [input.shape[at[i]]!]))[0]!
  const example = (index: number): A =>
    values.map(({ data, shape, dtype }, i) => {
      const axis = at[i]
      if (axis == null) return leaf(data, shape, dtype)
      return leaf(taken(data, shape, axis, index), (shape as number[]).toSpliced(axis, 1), dtype)
    }) as readonly AnyTensor[] as A
  const alone = await valuesOf(Array.from({ length: size }, (_, index) => fn(...example(index))))
  const where = `vmap over ${inputs.map(({ shape }, i) => `axis ${axes[i] ?? null} of ${formatShape(shape)}`).join(', ')}`
  const expected = [size, ...(alone[0]?.shape ?? batched!.shape.slice(1))]
  if (formatShape(batched!.shape) !== formatShape(expected)) {
    throw new Error(
      `${where}: the shape is ${formatShape(batched!.shape)} instead of ${formatShape(expected)}`,
    )
  }
  const { rtol = 1e-9, atol = 1e-9 } = tolerance
  const length = sizeOf(expected.slice(1))
  alone.forEach(({ data, shape }, index) => {
    const found = batched!.data.slice(index * length, (index + 1) * length)
    demandClose(`${where}, example ${index}`, found, data, shape, { rtol, atol })
  })
}

type Data = Parameters<typeof leaf>[0]

/** One position along an axis, copied. */
function taken(data: Data, shape: Shape, axis: number, index: number): Data {
  const inner = stridesOf(shape)[axis]!
  const outer = sizeOf(shape.slice(0, axis))
  const result = data.slice(0, outer * inner)
  for (let o = 0; o < outer; o++) {
    const from = (o * shape[axis]! + index) * inner
    for (let i = 0; i < inner; i++) result[o * inner + i] = data[from + i]!
  }
  return result
}
