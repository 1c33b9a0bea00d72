/** @file Arrays in files, as the command line names them: `x.npy`, `data.npz:x`, `golden.json:input`. */
import {
  arrayFromJson,
  type NamedArrays,
  readNpy,
  readNpz,
  readSafetensors,
  writeNpz,
  writeSafetensors,
} from '@beyondgrad/io'
import { DataError, type DType, formatShape, isFloat, type NDArray } from '@beyondgrad/tensor'
import { readFile, writeFile } from 'node:fs/promises'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** `FILE` or `FILE:KEY`, told apart by the file's extension. */
interface Place {
  readonly file: string
  readonly extension: string
  readonly key: string | undefined
}

/**
 * The arrays that an argument names: one under its key, or, without a key, all that the file holds. An npy file, and JSON that is an
 * array itself, hold one without a name: the empty one.
 */
export async function readArrays(option: string, argument: string): Promise<NamedArrays> {
  const { file, extension, key } = placeOf(option, argument)
  switch (extension) {
    case 'npy':
      if (key !== undefined) throw new UsageError(`${option} ${argument}: an npy file has no keys`)
      return { '': await readNpy(file) }
    case 'npz':
      return readNpz(file, key === undefined ? {} : { names: [key] })
    case 'safetensors':
      return picked(argument, await readSafetensors(file), key)
    default:
      return arraysInJson(`${option} ${argument}`, await readJson(file), key)
  }
}

/** The one array that an argument names. */
export async function readArray(option: string, argument: string): Promise<NDArray<DType>> {
  const arrays = Object.entries(await readArrays(option, argument))
  if (arrays.length === 1) return arrays[0]![1]
  const keys = arrays.map(([key]) => key)
  throw new UsageError(
    `${option} ${argument}: say which array is meant, as ${argument}:${keys[0] ?? 'x'}; there are: ${listed(keys)}`,
  )
}

function placeOf(option: string, argument: string): Place {
  const found = /^(.+?\.(npy|npz|json|safetensors))(?::(.*))?$/is.exec(argument)
  if (found === null) {
    throw new UsageError(
      `${option} ${argument}: arrays come from .npy, .npz (file.npz:key), .json (file.json:key) or .safetensors (file.safetensors:key)`,
    )
  }
  const [, file, extension, key] = found
  return { file: file!, extension: extension!.toLowerCase(), key }
}

function picked(argument: string, arrays: NamedArrays, key: string | undefined): NamedArrays {
  if (key === undefined) return arrays
  if (Object.hasOwn(arrays, key)) return { [key]: arrays[key]! }
  throw new DataError(`${argument}: there is no array "${key}"; there are: ${listed(Object.keys(arrays))}`)
}

async function readJson(file: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new DataError(`${file} cannot be read (${reason(error)}): check the path`)
  }
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new DataError(`${file} is not JSON (${reason(error).split('\n')[0]!.slice(0, 100)})`)
  }
}

/** Floats are read in double precision: engines round for themselves. */
const usual = 'float64'

function arraysInJson(where: string, value: unknown, key: string | undefined): NamedArrays {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (key !== undefined) {
    if (!isObject || !Object.hasOwn(value, key)) {
      throw new DataError(
        `${where}: there is no key "${key}"; there are: ${isObject ? listed(Object.keys(value)) : 'none'}`,
      )
    }
    return { [key]: arrayFromJson((value as Record<string, unknown>)[key], { where, dtype: usual }) }
  }
  if (!isObject || looksLikeArray(value)) return { '': arrayFromJson(value, { where, dtype: usual }) }
  const entries = Object.entries(value).filter(([, each]) => looksLikeArray(each))
  if (entries.length === 0) return { '': arrayFromJson(value, { where, dtype: usual }) }
  return Object.fromEntries(
    entries.map(([name, each]) => [
      name,
      arrayFromJson(each, { where: `${where}, "${name}"`, dtype: usual }),
    ]),
  )
}

const looksLikeArray = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'shape' in value && 'data' in value

function listed(names: readonly string[]): string {
  const most = 20
  const more = names.length > most ? ` and ${names.length - most} more` : ''
  return names.length === 0 ? 'none' : `${names.slice(0, most).join(', ')}${more}`
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Numbers as the engine's floats; what is in double precision stays so until an engine rounds it. */
export function asFloat({ shape, dtype, data }: NDArray<DType>): NDArray {
  if (isFloat(dtype)) return { shape, dtype: 'float32', data: data as Float32Array }
  return { shape, dtype: 'float32', data: Float32Array.from(data as ArrayLike<number | bigint>, Number) }
}

/** @throws DataError that names the first number that is none */
export function checkFinite(array: NDArray, what: string): NDArray {
  const at = array.data.findIndex((value) => !Number.isFinite(value))
  if (at < 0) return array
  throw new DataError(
    `element ${at} of ${what} ${formatShape(array.shape)} is ${array.data[at]}: clean the data`,
  )
}

/** What `--out` can write. */
export type OutFormat = 'json' | 'npz' | 'safetensors'

/** The format that a file's extension asks for; checked before anything is computed. */
export function outFormat(file: string): OutFormat {
  const extension = /\.(json|npz|safetensors)$/i.exec(file)?.[1]?.toLowerCase()
  if (extension === undefined) {
    throw new UsageError(`--out ${file}: the extension says what is written: .json, .npz or .safetensors`)
  }
  return extension as OutFormat
}

/** What a command found, in the forms in which it can be handed over. */
export interface Found {
  readonly document: () => unknown
  readonly arrays: () => NamedArrays
  /** For people. */
  readonly text: () => string
}

/** Writes the file that `--out` names, if any, and prints what was found: for people, or as JSON. */
export async function deliver(
  found: Found,
  { out, json }: { readonly out?: string; readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  if (out !== undefined) await writeOut(out, found)
  terminal.progress('')
  terminal.print(json ? JSON.stringify(found.document()) : found.text())
}

/** Writes a document as JSON, or its arrays by name. */
async function writeOut(file: string, { document, arrays }: Found): Promise<void> {
  switch (outFormat(file)) {
    case 'json':
      return writeText(file, `${JSON.stringify(document())}\n`)
    case 'npz':
      return writeNpz(file, arrays())
    case 'safetensors':
      return writeSafetensors(file, arrays())
  }
}

async function writeText(file: string, text: string): Promise<void> {
  await writeBytes(file, new TextEncoder().encode(text))
}

/** Writes a file; an error is a sentence. */
export async function writeBytes(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(file, bytes)
  } catch (error) {
    throw new DataError(`${file} cannot be written (${reason(error)}): check the path`)
  }
}
