/** @file Results of quantities: as the JSON document that others rely on, as arrays by name, and as a table for people. */
import { arrayToJson, type JsonArray, type NamedArrays } from '@beyondgrad/io'
import { type DType, formatShape, isNamedMap, type NDArray } from '@beyondgrad/tensor'
import Table from 'cli-table3'
import type { Refusal } from './supported.ts'

/** What was computed. */
export interface Results {
  readonly loss: number
  readonly engine: string
  readonly normalizer: number
  readonly output: NDArray
  /** By quantity: a map by parameter, or whatever else an extension makes of it. */
  readonly quantities: Readonly<Record<string, unknown>>
  readonly unsupported: readonly Refusal[]
}

/** An array; a list of Kronecker factors, output side first; or more of them by name. */
export type JsonResult = JsonArray | readonly JsonArray[] | { readonly [name: string]: JsonResult }

/** The document that `--json` prints, and that `--out F.json` holds. */
export interface QuantitiesDocument {
  /** Or `"NaN"`, `"Infinity"`, `"-Infinity"`, which JSON has no numbers for. */
  readonly loss: number | string
  readonly engine: string
  /** What the sum of the terms is divided by: their number under "mean", 1 under "sum". */
  readonly normalizer: number
  readonly output: JsonArray
  readonly quantities: Readonly<Record<string, JsonResult>>
  readonly unsupported?: readonly Refusal[]
}

export function documentOf(results: Results): QuantitiesDocument {
  const { loss, engine, normalizer, output, quantities, unsupported } = results
  return {
    loss: Number.isFinite(loss) ? loss : String(loss),
    engine,
    normalizer,
    output: arrayToJson(output),
    quantities: mapped(quantities, jsonOf),
    ...(unsupported.length > 0 && { unsupported }),
  }
}

function jsonOf(value: unknown): JsonResult {
  if (isArray(value)) return arrayToJson(value)
  const entries = entriesOf(value)
  return isFactors(entries)
    ? entries.map(([, factor]) => arrayToJson(factor as NDArray))
    : mapped(Object.fromEntries(entries), jsonOf)
}

function mapped<T>(record: Readonly<Record<string, unknown>>, f: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value)]))
}

/** The arrays as `<quantity>/<parameter>`, the loss and the output beside them. */
export function arraysOf({ loss, output, quantities }: Results): NamedArrays {
  const arrays: [string, NDArray<DType>][] = [
    ['loss', { shape: [], dtype: 'float64', data: Float64Array.of(loss) }],
    ['output', output],
    ...flat(quantities),
  ]
  return Object.fromEntries(arrays)
}

function flat(value: unknown, path: readonly string[] = []): [string, NDArray<DType>][] {
  if (isArray(value)) return [[path.join('/'), value]]
  return entriesOf(value).flatMap(([name, each]) => flat(each, [...path, name]))
}

function isArray(value: unknown): value is NDArray<DType> {
  return (
    typeof value === 'object' && value !== null && 'shape' in value && 'dtype' in value && 'data' in value
  )
}

/** By name; factors with the output side first. */
function entriesOf(value: unknown): [string, unknown][] {
  if (isNamedMap(value)) return [...value].map(([key, each]) => [key.name, each])
  const entries = Object.entries((value ?? {}) as Readonly<Record<string, unknown>>).filter(
    ([, each]) => each !== undefined,
  )
  return isFactors(entries) ? entries.toSorted(([a], [b]) => (a > b ? -1 : 1)) : entries
}

/** Whether this is `{ output, input? }`. */
function isFactors(entries: readonly (readonly [string, unknown])[]): boolean {
  return (
    entries.some(([name, each]) => name === 'output' && isArray(each)) &&
    entries.every(([name, each]) => (name === 'output' || name === 'input') && isArray(each))
  )
}

export function render(results: Results): string {
  const { loss, engine, normalizer, output, quantities, unsupported } = results
  const table = new Table({
    head: ['quantity', 'of', 'shape', 'norm', 'least', 'most'],
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const [quantity, value] of Object.entries(quantities)) {
    for (const [name, array] of flat(value))
      table.push([quantity, name, formatShape(array.shape), ...measures(array)])
  }
  const lines = [
    `loss ${loss}, output ${formatShape(output.shape)}, terms divided by ${normalizer}, on ${engine}`,
    ...(table.length > 0 ? [table.toString()] : []),
    ...unsupported.map(({ quantity, message }) => `not here: ${quantity}, since ${message}`),
  ]
  return lines.join('\n')
}

function measures({ data }: NDArray<DType>): string[] {
  let [squares, least, most] = [0, Infinity, -Infinity]
  for (const each of data as ArrayLike<number | bigint> & Iterable<number | bigint>) {
    const value = Number(each)
    squares += value * value
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  return data.length === 0 ? ['0', '', ''] : [Math.sqrt(squares), least, most].map((x) => x.toPrecision(4))
}
