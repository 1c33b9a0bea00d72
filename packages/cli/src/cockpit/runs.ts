/** @file Runs by their places: a folder, the log in it, or a file of the Python library; and such a run while it grows. */
import { parseCockpit, type Run, RunReader } from '@beyondgrad/cockpit'
import { readRun } from '@beyondgrad/cockpit/node'
import { DataError } from '@beyondgrad/tensor'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** A run that can be looked at again. */
export interface OpenRun {
  readonly run: Run
  /** Reads what has come since; whether there was anything. */
  readOn(): boolean
}

const isLog = (place: string): boolean => place.toLowerCase().endsWith('.jsonl')
const isForeign = (place: string): boolean => place.toLowerCase().endsWith('.json')

/** Names that tell runs apart: those of their folders, or whole places where these are the same. */
export function namesOf(places: readonly string[]): readonly string[] {
  const names = places.map((place) =>
    basename(resolve(isLog(place) ? dirname(place) : place)).replace(/\.json$/i, ''),
  )
  return new Set(names).size === names.length ? names : places
}

/** A run as it is now. Throws `DataError` for what is none. */
export function openRun(place: string): OpenRun {
  const run = isForeign(place) ? foreignRun(place) : readRun(folderOf(place))
  return { run, readOn: () => false }
}

const folderOf = (place: string): string => (isLog(place) ? dirname(place) : place)

function foreignRun(file: string): Run {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataError(
      `${file} cannot be read (${reason}): name the folder of a run, or a file of the Python library`,
    )
  }
  return parseCockpit(text)
}

/** Pieces in which a log is read. */
const pieceBytes = 2 ** 20

/** A run that may still grow; it need not have begun. */
export function followRun(place: string): OpenRun {
  if (isForeign(place)) return openRun(place)
  const file = join(folderOf(place), 'run.jsonl')
  let reader = new RunReader(file)
  let decoder = new TextDecoder()
  let read = 0
  const piece = new Uint8Array(pieceBytes)
  const again = (): void => {
    reader = new RunReader(file)
    decoder = new TextDecoder()
    read = 0
  }
  const readFrom = (descriptor: number): void => {
    for (let got = 1; got > 0; read += got) {
      got = readSync(descriptor, piece, 0, piece.length, read)
      reader.push(decoder.decode(piece.subarray(0, got), { stream: true }))
    }
  }
  const follow = (): boolean => {
    if (!existsSync(file)) return false
    const descriptor = openSync(file, 'r')
    try {
      const { size } = fstatSync(descriptor)
      if (size === read) return false
      // A resumed run cuts off what the one before it was writing; it may have written more than that since.
      if (size < read) again()
      const isAgain = read === 0
      try {
        readFrom(descriptor)
      } catch (error) {
        if (isAgain) throw error
        again()
        readFrom(descriptor)
      }
      return true
    } finally {
      closeSync(descriptor)
    }
  }
  return {
    get run(): Run {
      return reader.run
    },
    readOn: follow,
  }
}
