/**
 * @file Values that are known while an expression is built: the model's constants, shapes, and what is computed from such things
 * alone. They are tensors like all others; here it is remembered what is in them, and their expressions are computed at once,
 * with the kernels that define what ops mean. So int64 stays exact, and no engine runs arithmetic on shapes.
 */
import {
  type AnyTensor,
  constantData,
  constantOf,
  type Dense,
  type HostArray,
  isFloat,
  type Shape,
  sizeOf,
  tensor,
  topologicalOrder,
} from '@beyondgrad/tensor'

/** Bigger constants go to engines as data: a constant is written into every executable, and hashed by its content. */
const mostBaked = 1024
/** A result that would be bigger stays an expression. */
const mostFolded = 64 * 2 ** 20
const bytesPerElement = 8

const remembered = /* @__PURE__ */ new WeakMap<AnyTensor, HostArray>()

/** A tensor whose content is known. The array is taken over. */
export function knownTensor({ shape, dtype, data }: Dense): AnyTensor {
  const result =
    sizeOf(shape) <= mostBaked
      ? constantOf(data, shape, dtype)
      : tensor({ shape, dtype, data } as Parameters<typeof tensor>[0] as never)
  remembered.set(result, data)
  return result
}

/** The content of a tensor; undefined if it only shows at a run. */
export function knownData(x: AnyTensor): HostArray | undefined {
  return constantData(x) ?? remembered.get(x)
}

/**
 * Expressions over known tensors alone, computed; those that depend on anything else, or would be too big, as they are.
 *
 * @returns undefined if nothing could be computed
 */
export function fold(outputs: readonly AnyTensor[]): AnyTensor[] | undefined {
  const wanted = outputs.filter((output) => knownData(output) === undefined)
  if (wanted.length === 0) return undefined
  const order = topologicalOrder(wanted, undefined)
  const values = new Map<AnyTensor, HostArray>()
  for (const node of order) {
    const data = knownData(node)
    if (data !== undefined) {
      values.set(node, isFloat(node.dtype) ? doubles(data) : data)
      continue
    }
    if (node.op.kernel === undefined || node.op.family === 'guard') return undefined
    if (sizeOf(node.shape) * bytesPerElement > mostFolded) return undefined
    const inputs = node.inputs.map((input): Dense => ({
      shape: input.shape,
      dtype: input.dtype,
      data: values.get(input)!,
    }))
    values.set(node, node.op.kernel(inputs, node.attributes, node))
  }
  return outputs.map((output) => {
    const data = values.get(output)
    return knownData(output) !== undefined || data === undefined ? output : knownTensor(denseOf(output, data))
  })
}

function doubles(data: HostArray): HostArray {
  return data instanceof Float64Array ? data : Float64Array.from(data as Float32Array)
}

const denseOf = (
  { shape, dtype }: { readonly shape: Shape; readonly dtype: Dense['dtype'] },
  data: HostArray,
): Dense => ({
  shape,
  dtype,
  // A kernel may hand on the array of its input.
  data: data.slice(),
})
