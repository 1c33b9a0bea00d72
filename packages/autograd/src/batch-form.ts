/** @file The form of a batch: its tensors, which are inputs of a run, and what is around them. */
import { type AnyTensor, BeyondgradError, isTensor } from '@beyondgrad/tensor'

export interface BatchForm {
  /** Equal for batches that differ in their tensors only. */
  readonly key: string
  readonly tensors: readonly AnyTensor[]
  /** The batch with other tensors in place of its own; holds none of them. */
  readonly rebuild: (tensors: readonly AnyTensor[]) => unknown
}

/** Objects that contain themselves have no end. */
const deepest = 64

/**
 * Takes a batch apart; throws `value` for what is neither a tensor nor an object, array, number or string.
 *
 * @param number which batch it is, for messages
 */
export function batchForm(batch: unknown, number: number): BatchForm {
  const tensors: AnyTensor[] = []
  type Rebuild = BatchForm['rebuild']
  const visit = (value: unknown, path: string, depth: number): readonly [string, Rebuild] => {
    if (isTensor(value)) {
      const at = tensors.push(value) - 1
      return ['#', (others) => others[at]]
    }
    if (typeof value !== 'object' || value === null) {
      if (typeof value === 'function' || typeof value === 'symbol') throw refused(number, path, typeof value)
      return [`${typeof value} ${JSON.stringify(String(value))}`, () => value]
    }
    if (depth > deepest) throw refused(number, path, 'an object that contains itself')
    if (Array.isArray(value)) {
      const parts = value.map((inner, i) => visit(inner, `${path}[${i}]`, depth + 1))
      return [`[${parts.map(([key]) => key).join()}]`, (others) => parts.map(([, part]) => part(others))]
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) {
      throw refused(number, path, `a ${value.constructor.name}`)
    }
    const parts = Object.entries(value).map(
      ([name, inner]) => [name, visit(inner, `${path}.${name}`, depth + 1)] as const,
    )
    return [
      `{${parts.map(([name, [key]]) => `${JSON.stringify(name)}:${key}`).join()}}`,
      (others) => Object.fromEntries(parts.map(([name, [, part]]) => [name, part(others)])),
    ]
  }
  const [key, rebuild] = visit(batch, 'batch', 0)
  return { key, tensors, rebuild }
}

function refused(number: number, path: string, what: string): BeyondgradError {
  return new BeyondgradError(
    'value',
    `accumulate: batch ${number} has ${what} at ${path}; a batch is made of tensors, in objects and arrays: make tensors of data with tensor() and intTensor()`,
  )
}
