/** @file What there is to save of modules and optimisers, as named arrays, and how it comes back. */
import type { BufferMap, Parameter, ParameterMap } from '@beyondgrad/autograd'
import {
  type Cell,
  DataError,
  type DType,
  formatShape,
  isFloat,
  type NDArray,
  sameShape,
} from '@beyondgrad/tensor'
import { buffersOf } from './module.ts'

/** Something with state: a module (its parameters and buffers) or an optimiser (what it remembers, not its parameters). */
export type Stateful =
  | { readonly parameters: ParameterMap<Parameter>; readonly state: BufferMap }
  | { readonly parameters: ParameterMap<Parameter> }

/** One of them, or several by names that come in front: `{ model, optimizer }` gives "model.0.weight". */
export type StateSource = Stateful | { readonly [name: string]: Stateful }

/** Arrays by their names, as a file holds them. */
export type State = Readonly<Record<string, NDArray<DType>>>

const isOne = (of: StateSource): of is Stateful =>
  'parameters' in of && typeof (of as Stateful).parameters.get === 'function'

function cellsOf(of: StateSource): Map<string, Cell> {
  if (!isOne(of)) {
    const parts = Object.entries(of).flatMap(([prefix, part]) =>
      [...cellsOf(part)].map(([name, cell]) => [`${prefix}.${name}`, cell] as const),
    )
    return new Map(parts)
  }
  const entries = 'state' in of ? [...of.state] : [...of.parameters, ...buffersOf(of)]
  return new Map(entries.map(([key]) => [key.name, key.cell]))
}

/**
 * What there is to save, as it is now; wait for steps that are running first. The names are those of PyTorch's state dict for
 * modules. The arrays are not copied, and nobody writes into them.
 */
export function stateOf(of: StateSource): State {
  return Object.fromEntries(
    [...cellsOf(of)].map(([name, { shape, dtype, data }]) => [name, { shape, dtype, data }]),
  )
}

export interface LoadOptions {
  /** Whether names that are missing, or that nothing here has, are an error. Default: true. */
  readonly strict?: boolean
}

/**
 * Puts saved numbers in place: all of them, or, if one does not fit, none. Expressions that were built before become stale.
 *
 * @returns names that `strict: false` let pass
 * @throws DataError in one sentence that names all that is missing, unknown, or of another shape or kind
 */
export function loadState(
  of: StateSource,
  state: State,
  { strict = true }: LoadOptions = {},
): { readonly missing: readonly string[]; readonly unknown: readonly string[] } {
  const cells = cellsOf(of)
  const missing = [...cells.keys()].filter((name) => !Object.hasOwn(state, name))
  const unknown = Object.keys(state).filter((name) => !cells.has(name))
  const found = [...cells].filter(([name]) => Object.hasOwn(state, name))
  const wrong = found.flatMap(([name, cell]) => {
    const why = mismatch(cell, state[name]!)
    return why === undefined ? [] : [`"${name}" ${why}`]
  })
  const complaints = [
    ...(strict && missing.length > 0 ? [`${listed(missing)} missing`] : []),
    ...(strict && unknown.length > 0 ? [`${listed(unknown)} not known here`] : []),
    ...(wrong.length > 0 ? [wrong.join('; ')] : []),
  ]
  if (complaints.length > 0) throw new DataError(`loadState: ${complaints.join('; ')}`)
  for (const [name, cell] of found) {
    cell.data = converted(state[name]!, cell.dtype)
    cell.version++
  }
  return { missing, unknown }
}

const listed = (names: readonly string[]): string =>
  `${names
    .slice(0, 8)
    .map((name) => `"${name}"`)
    .join(
      ', ',
    )}${names.length > 8 ? ` and ${names.length - 8} more` : ''} ${names.length === 1 ? 'is' : 'are'}`

function mismatch({ shape, dtype }: Cell, saved: NDArray<DType>): string | undefined {
  if (!sameShape(shape, saved.shape)) {
    return `has shape ${formatShape(saved.shape)}, not ${formatShape(shape)}`
  }
  const compatible = isFloat(dtype) ? isFloat(saved.dtype) : !isFloat(saved.dtype) && saved.dtype !== 'bool'
  return compatible ? undefined : `holds ${saved.dtype}, not ${dtype}`
}

function converted(saved: NDArray<DType>, dtype: DType): Cell['data'] {
  const { data } = saved
  // Double precision stays: the reference engine's own.
  if (isFloat(dtype)) return data
  if (dtype === 'int64') return BigInt64Array.from(data as Int32Array, BigInt)
  return Int32Array.from(data as Int32Array, Number)
}
