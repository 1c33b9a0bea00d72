/** @file Files on disk, where there is a disk. */
import type * as fs from 'node:fs/promises'
import { DataError } from '@beyondgrad/tensor'

/** Node's file system, or a `DataError` that says what to call elsewhere. */
function fileSystem(where: string, instead: string): typeof fs {
  // Not an import: bundlers for browsers would stumble over `node:fs`, though nobody calls this there.
  const { process } = globalThis as { process?: Partial<NodeJS.Process> }
  const found = process?.getBuiltinModule?.('node:fs/promises')
  if (found === undefined) throw new DataError(`${where} needs Node's file system: ${instead}`)
  return found
}

/**
 * The bytes of a file.
 *
 * @param instead what to do where there is no file system, for the message
 */
export async function readBytes(caller: string, path: string | URL, instead: string): Promise<Uint8Array> {
  const disk = fileSystem(`${caller}: ${path}`, instead)
  try {
    return await disk.readFile(path)
  } catch (error) {
    throw new DataError(`${caller}: ${path} cannot be read (${reason(error)}): check the path`)
  }
}

/** Writes a file beside its place and moves it there, so that a process that dies leaves the old file whole. */
export async function writeBytes(
  caller: string,
  path: string | URL,
  bytes: Uint8Array,
  instead: string,
): Promise<void> {
  const disk = fileSystem(`${caller}: ${path}`, instead)
  const beside = typeof path === 'string' ? `${path}.part` : new URL(`${path.href}.part`)
  try {
    await disk.writeFile(beside, bytes)
    await disk.rename(beside, path)
  } catch (error) {
    await disk.rm(beside, { force: true }).catch(() => undefined)
    throw new DataError(`${caller}: ${path} cannot be written (${reason(error)}): check the path`)
  }
}

/** An error's message. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
