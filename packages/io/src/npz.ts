/** @file Npz, NumPy's format of several arrays: a zip archive of npy files. */
import { DataError, type DType, type NDArray } from '@beyondgrad/tensor'
import { zipSync } from 'fflate'
import { readBytes, writeBytes } from './file.ts'
import { decodeNpy, encodeNpy } from './npy.ts'
import type { NamedArrays } from './safetensors.ts'
import { listZip, unpack } from './zip.ts'

export interface NpzOptions {
  /** Only these arrays. Default: all. */
  readonly names?: readonly string[]
  /** Bytes that everything read may have, unpacked. Default: 2 GiB. */
  readonly limit?: number
}

export interface NpzFormatOptions {
  /** Default: false, as `numpy.savez` has it. */
  readonly compress?: boolean
}

const suffix = '.npy'
const usualLimit = 2 ** 31
/** Beyond this an archive needs 64-bit places, which are read, but not written. */
const mostWritten = 0xffffffff
/** The earliest time that a zip archive can hold: the same arrays give the same bytes. */
const noTime = [1980, 0, 1] as const

/**
 * The arrays in an npz file, packed or not; element types as in `parseNpy`. Files in it that are no arrays are left out.
 *
 * @throws DataError for an archive that is damaged, unpacks to more than `limit`, or lacks one of `names`
 */
export function parseNpz(bytes: Uint8Array, options: NpzOptions = {}): NamedArrays {
  return decode('parseNpz', bytes, options)
}

/** Reads an npz file from disk. Node only; elsewhere fetch the bytes and use `parseNpz`. */
export async function readNpz(path: string | URL, options: NpzOptions = {}): Promise<NamedArrays> {
  const bytes = await readBytes('readNpz', path, 'fetch the bytes and give them to parseNpz')
  return decode(`readNpz: ${path}`, bytes, options)
}

/** The bytes of an npz file. */
export function formatNpz(arrays: NamedArrays, options: NpzFormatOptions = {}): Uint8Array {
  return encode('formatNpz', arrays, options)
}

/** Writes an npz file; the old one stays until the new one is whole. Node only. */
export async function writeNpz(
  path: string | URL,
  arrays: NamedArrays,
  options: NpzFormatOptions = {},
): Promise<void> {
  const bytes = encode('writeNpz', arrays, options)
  await writeBytes('writeNpz', path, bytes, 'use formatNpz, and offer the bytes as a download')
}

function decode(where: string, bytes: Uint8Array, { names, limit = usualLimit }: NpzOptions): NamedArrays {
  const files = listZip(where, bytes).filter(({ name }) => name.endsWith(suffix))
  const stem = (name: string): string => name.slice(0, -suffix.length)
  const missing = names?.find((name) => !files.some((file) => stem(file.name) === name))
  if (missing !== undefined) {
    const known = files.map(({ name }) => stem(name))
    throw new DataError(
      `${where}: there is no array "${missing}"; there are: ${known.slice(0, 20).join(', ') || 'none'}`,
    )
  }
  const wanted = names === undefined ? files : files.filter(({ name }) => names.includes(stem(name)))
  const total = wanted.reduce((sum, { size }) => sum + size, 0)
  if (total > limit) {
    throw new DataError(
      `${where}: the arrays are ${total} bytes, more than the ${limit} that are allowed: raise limit, or read some by names`,
    )
  }
  const found = new Map<string, NDArray<DType>>()
  for (const file of wanted) {
    const name = stem(file.name)
    if (found.has(name)) throw new DataError(`${where}: there are two arrays "${name}"`)
    found.set(name, decodeNpy(`${where}: ${name}`, unpack(where, file)))
  }
  // Not by assignment: an array may be called "__proto__".
  return Object.fromEntries(found)
}

function encode(where: string, arrays: NamedArrays, { compress = false }: NpzFormatOptions): Uint8Array {
  const files = Object.entries(arrays).map(
    ([name, array]) => [`${name}${suffix}`, encodeNpy(`${where}: ${name}`, array)] as const,
  )
  const total = files.reduce((sum, [name, bytes]) => sum + bytes.length + 2 * name.length + 128, 0)
  if (total > mostWritten) {
    throw new DataError(
      `${where}: ${total} bytes are more than a zip archive without 64-bit places holds: write several files, or safetensors`,
    )
  }
  return zipSync(Object.fromEntries(files), { level: compress ? 6 : 0, mtime: new Date(...noTime) })
}
