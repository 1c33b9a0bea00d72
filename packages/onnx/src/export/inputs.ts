/** @file The inputs of an exported function as its caller states them: checked, and with sizes put in. */
import { BeyondgradError, type DType } from '@beyondgrad/tensor'
import type { ModelShape } from '../model-builder.ts'
import type { FreeAxis } from './size-nodes.ts'
import type { SizedInput } from './trace.ts'

export interface ExportInput {
  /** Sizes; a string names a free axis, and equal names mean equal sizes. */
  readonly shape: ModelShape
  /** Default: float32. */
  readonly dtype?: DType
}

const dtypes: readonly unknown[] = ['float32', 'float64', 'int32', 'int64', 'bool'] satisfies DType[]

/** More free axes than this would need too many traces to tell their products apart. */
const axisLimit = 3

/** @throws BeyondgradError `value` naming the input and what is wrong with it */
export function checkInputs(inputs: Readonly<Record<string, ExportInput>> | undefined): void {
  if (typeof inputs !== 'object') {
    throw new BeyondgradError(
      'value',
      "exportOnnx: the options have no inputs; give a shape for each, as in inputs: { x: { shape: ['N', 3] } }",
    )
  }
  for (const [name, { shape, dtype = 'float32' }] of Object.entries(inputs)) {
    const refuse = (what: string): BeyondgradError =>
      new BeyondgradError('value', `exportOnnx: input "${name}" ${what}`)
    if (name === '') throw refuse('has an empty name; give it one')
    if (!Array.isArray(shape)) {
      throw refuse("has no shape; give one, such as ['N', 3], with a name for every free axis")
    }
    if (!dtypes.includes(dtype)) {
      throw refuse(`has the unknown dtype ${String(dtype)}; choose one of ${dtypes.join(', ')}`)
    }
    for (const size of shape as ModelShape) {
      if (typeof size === 'string' ? /^[A-Za-z_]\w*$/.test(size) : Number.isSafeInteger(size) && size > 0)
        continue
      throw refuse(
        `has the size ${JSON.stringify(size)}; give a positive integer, or a name of letters and digits for a free axis`,
      )
    }
  }
}

/** The free axes, each where it occurs first. */
export function freeAxes(inputs: Readonly<Record<string, ExportInput>>): FreeAxis[] {
  const found = new Map<string, FreeAxis>()
  for (const [input, { shape }] of Object.entries(inputs)) {
    for (const [axis, name] of shape.entries()) {
      if (typeof name === 'string' && !found.has(name)) found.set(name, { name, input, axis })
    }
  }
  if (found.size > axisLimit) {
    throw new BeyondgradError(
      'value',
      `exportOnnx: ${found.size} free axes (${[...found.keys()].join(', ')}) are too many to tell apart; fix some, so that at most ${axisLimit} are left`,
    )
  }
  return [...found.values()]
}

/** @throws BeyondgradError `value` for a size of no axis, or one that is not positive */
export function checkSizes(sizes: Readonly<Record<string, number>>, axes: readonly FreeAxis[]): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!axes.some((axis) => axis.name === name)) {
      throw new BeyondgradError(
        'value',
        `exportOnnx: sizes has "${name}", which is no free axis; there are: ${axes.map((axis) => axis.name).join(', ') || 'none'}`,
      )
    }
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new BeyondgradError(
        'value',
        `exportOnnx: the size ${size} of "${name}" is not a positive integer`,
      )
    }
  }
}

export function sized(
  inputs: Readonly<Record<string, ExportInput>>,
  sizes: ReadonlyMap<string, number>,
): SizedInput[] {
  return Object.entries(inputs).map(([name, { shape, dtype = 'float32' }]) => ({
    name,
    dtype,
    shape: shape.map((size) => (typeof size === 'string' ? sizes.get(size)! : size)),
  }))
}
