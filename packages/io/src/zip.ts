/**
 * @file The files in a zip archive, as its directory at the end lists them. What the directory says is held against the bytes:
 * places, sizes, checksums. Deflate itself is fflate's business.
 */
import { DataError } from '@beyondgrad/tensor'
import { Inflate } from 'fflate'
import { reason } from './file.ts'

/** One file of an archive, still packed. */
export interface PackedFile {
  readonly name: string
  /** Unpacked size in bytes, as the directory says. */
  readonly size: number
  readonly packed: Uint8Array
  readonly isDeflated: boolean
  readonly checksum: number
}

/** Makes the error that says what is wrong with this archive. */
type Complaint = (what: string) => DataError

const entrySignature = 0x02014b50
const localSignature = 0x04034b50
const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locator64Signature = 0x07064b50
const entryLength = 46
const localLength = 30
const endLength = 22
const longestComment = 65_535
/** Stands for a number that is in an extra field, or in another record. */
const elsewhere = 0xffffffff
/** Deflate can't pack anything more tightly than this. */
const bestRatio = 1032

/** The files in an archive. Nothing is unpacked yet. */
export function listZip(where: string, bytes: Uint8Array): PackedFile[] {
  const damaged: Complaint = (what) =>
    new DataError(`${where}: ${what}: the file is damaged or no zip archive, get it again`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { count, start, end } = directoryOf(view, damaged)
  const files: PackedFile[] = []
  const places: { readonly from: number; readonly to: number }[] = []
  let at = start
  for (let i = 0; i < count; i++) {
    if (at + entryLength > end || view.getUint32(at, true) !== entrySignature) {
      throw damaged(`entry ${i} of ${count} is not in the archive's directory`)
    }
    const { file, from, next } = entryAt(view, bytes, at, damaged)
    files.push(file)
    places.push({ from, to: from + file.packed.length })
    at = next
  }
  places.sort((a, b) => a.from - b.from)
  // What unpacks to very much is often the same bytes, listed again and again.
  if (places.some(({ from }, i) => i > 0 && from < places[i - 1]!.to))
    throw damaged('two of its files lie in the same place')
  return files
}

interface Directory {
  readonly count: number
  readonly start: number
  readonly end: number
}

function directoryOf(view: DataView, damaged: Complaint): Directory {
  let at = view.byteLength - endLength
  const first = Math.max(0, at - longestComment)
  while (at >= first && view.getUint32(at, true) !== endSignature) at--
  if (at < first) throw damaged(`${view.byteLength} bytes have no directory at their end`)
  let count = view.getUint16(at + 10, true)
  let length = view.getUint32(at + 12, true)
  let start = view.getUint32(at + 16, true)
  const locator = at - 20
  if (locator >= 0 && view.getUint32(locator, true) === locator64Signature) {
    const record = Number(view.getBigUint64(locator + 8, true))
    if (record + 56 > view.byteLength || view.getUint32(record, true) !== end64Signature) {
      throw damaged('its 64-bit directory is not where it should be')
    }
    count = Number(view.getBigUint64(record + 32, true))
    length = Number(view.getBigUint64(record + 40, true))
    start = Number(view.getBigUint64(record + 48, true))
  }
  if (start + length > at || count * entryLength > length) {
    throw damaged(`a directory of ${count} entries in ${length} bytes does not fit`)
  }
  return { count, start, end: start + length }
}

function entryAt(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  damaged: Complaint,
): { readonly file: PackedFile; readonly from: number; readonly next: number } {
  const nameEnd = at + entryLength + view.getUint16(at + 28, true)
  const extraEnd = nameEnd + view.getUint16(at + 30, true)
  const next = extraEnd + view.getUint16(at + 32, true)
  if (next > bytes.length) throw damaged('its directory is cut off')
  const name = new TextDecoder().decode(bytes.subarray(at + entryLength, nameEnd))
  const title = JSON.stringify(name.slice(0, 100))
  const method = view.getUint16(at + 10, true)
  if ((view.getUint16(at + 8, true) & 1) !== 0 || (method !== 0 && method !== 8)) {
    throw damaged(`${title} is encrypted, or packed by a method other than deflate`)
  }
  const wide = wideNumbers(view, nameEnd, extraEnd)
  const number = (offset: number): number => {
    const value = view.getUint32(at + offset, true)
    return value === elsewhere ? (wide.shift() ?? elsewhere) : value
  }
  // In the order in which the extra field holds them.
  const size = number(24)
  const packedSize = number(20)
  const local = number(42)
  if (local + localLength > bytes.length || view.getUint32(local, true) !== localSignature) {
    throw damaged(`${title} is not where the directory says`)
  }
  const from = local + localLength + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
  if (from + packedSize > bytes.length) throw damaged(`${title} goes beyond the end`)
  const isDeflated = method === 8
  if (isDeflated ? size > bestRatio * (packedSize + 1) : size !== packedSize) {
    throw damaged(`${title} can't be ${size} bytes packed in ${packedSize}`)
  }
  const packed = bytes.subarray(from, from + packedSize)
  return { file: { name, size, packed, isDeflated, checksum: view.getUint32(at + 16, true) }, from, next }
}

/** The 64-bit numbers of an entry. */
function wideNumbers(view: DataView, from: number, to: number): number[] {
  for (let at = from; at + 4 <= to; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    const count = Math.min(view.getUint16(at + 2, true), to - at - 4) >> 3
    return Array.from({ length: count }, (_, i) => Number(view.getBigUint64(at + 4 + 8 * i, true)))
  }
  return []
}

/** The content of a file; stops as soon as it is more than the directory says. */
export function unpack(where: string, file: PackedFile): Uint8Array {
  const { name, size, packed, isDeflated, checksum } = file
  const bytes = isDeflated ? inflate(where, file) : packed
  if (bytes.length !== size || crc32(bytes) !== checksum) {
    throw new DataError(
      `${where}: ${JSON.stringify(name)} does not have the size and checksum that it should have: the file is damaged, get it again`,
    )
  }
  return bytes
}

/** Packed bytes are given in pieces of this size, so that there is an end to what comes of one. */
const piece = 16_384

function inflate(where: string, { name, size, packed }: PackedFile): Uint8Array {
  const result = new Uint8Array(size)
  let length = 0
  const stream = new Inflate((chunk) => {
    if (length + chunk.length > size) throw new Error(`it is more than ${size} bytes`)
    result.set(chunk, length)
    length += chunk.length
  })
  try {
    for (let from = 0; from < packed.length || from === 0; from += piece) {
      stream.push(packed.subarray(from, from + piece), from + piece >= packed.length)
    }
  } catch (error) {
    throw new DataError(
      `${where}: unpacking ${JSON.stringify(name)} failed (${reason(error)}): the file is damaged, get it again`,
    )
  }
  return result.subarray(0, length)
}

const polynomial = 0xedb88320

const table = /* @__PURE__ */ Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
  return value
})

function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (let i = 0; i < bytes.length; i++) sum = (sum >>> 8) ^ table[(sum ^ bytes[i]!) & 255]!
  return ~sum >>> 0
}
