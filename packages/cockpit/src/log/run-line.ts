/** @file The lines of a run's log as JSON, and back: what a step is known by, and what could not be known and why. */
import { DataError } from '@beyondgrad/tensor'

/** What is known of a step: numbers, lists of them, or either by name. */
export type LoggedValue = number | readonly LoggedValue[] | { readonly [name: string]: LoggedValue }

/** The first line. Whoever writes a log may add what it knows of the run. */
export interface RunHeader {
  readonly kind: 'header'
  readonly version: 1
  /** When the run began, as ISO 8601 has it. */
  readonly started: string
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]
  readonly quantities: readonly string[]
  readonly [more: string]: unknown
}

/** A tracked step. */
export interface StepLine {
  readonly kind: 'step'
  readonly step: number
  /** Seconds since the run began. */
  readonly time: number
  readonly quantities: Readonly<Record<string, LoggedValue>>
  /** Quantities that were due and could not be had, and why. */
  readonly absent?: Readonly<Record<string, string>>
  readonly learningRate?: number
}

/** What somebody notes beside the instruments, as accuracies after an epoch. */
export interface NoteLine {
  readonly kind: 'note'
  readonly step: number
  readonly time: number
  readonly values: Readonly<Record<string, LoggedValue>>
}

export type RunLine = RunHeader | StepLine | NoteLine

/** One line of JSON, its end included. Numbers that JSON lacks are written as their names. */
export function formatLine(line: RunLine): string {
  const text = JSON.stringify(line)
  // What JSON lacks became null. A function that looks at every number takes several times as long.
  return `${text.includes('null') ? JSON.stringify(line, named) : text}\n`
}

const named = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? String(value) : value

const names: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity }

/** Reads a line; throws `DataError` for what is none. Kinds that this version does not know are undefined. */
export function parseLine(text: string, where: string): RunLine | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new DataError(`${where}: this is no line of a run's log, but "${text.slice(0, 40)}"`)
  }
  const line = (typeof value === 'object' ? value : null) as Partial<RunLine> | null
  switch (line?.kind) {
    case 'header': {
      const { version, parameters, quantities } = line
      if (version !== 1) {
        throw new DataError(`${where}: the log is of version ${String(version)}, this reads version 1`)
      }
      if (Array.isArray(parameters) && Array.isArray(quantities)) return line as RunHeader
      break
    }
    case 'step':
      if (Number.isInteger(line.step) && typeof line.quantities === 'object') {
        return { ...(line as StepLine), quantities: numbersIn(line.quantities) as StepLine['quantities'] }
      }
      break
    case 'note':
      if (Number.isInteger(line.step) && typeof line.values === 'object') {
        return { ...(line as NoteLine), values: numbersIn(line.values) as NoteLine['values'] }
      }
      break
    default:
      if (typeof line?.kind === 'string') return undefined
  }
  throw new DataError(`${where}: this is no line of a run's log, but "${text.slice(0, 40)}"`)
}

/** Names of numbers that JSON lacks become those numbers. */
function numbersIn(value: unknown): unknown {
  if (typeof value === 'string') return Object.hasOwn(names, value) ? names[value] : value
  if (Array.isArray(value)) return value.map(numbersIn)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbersIn(inner)]))
}
