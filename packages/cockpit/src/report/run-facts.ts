/** @file What a run was, in words: from the header of its log, and from how far it has come. */
import type { Run } from '../log/run.ts'

export interface Fact {
  readonly name: string
  readonly value: string
}

const known = ['model', 'loss', 'optimizer', 'batchSize', 'engine', 'data', 'seed'] as const

const titles: Readonly<Record<(typeof known)[number], string>> = {
  model: 'model',
  loss: 'loss',
  optimizer: 'optimiser',
  batchSize: 'batch size',
  engine: 'engine',
  data: 'data',
  seed: 'seed',
}

/** Facts that the log has; others are left out. */
export function factsOf({ header, steps }: Run): Fact[] {
  const of = header as Readonly<Record<string, unknown>> | undefined
  const told = known.flatMap((key): Fact[] => {
    const value = inWords(of?.[key])
    return value === '' ? [] : [{ name: titles[key], value }]
  })
  const tensors = header?.parameters ?? []
  const entries = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  const isCounted = tensors.some(({ shape }) => shape.length > 0)
  const [first, last] = [steps[0], steps.at(-1)]
  return [
    ...told,
    ...(tensors.length === 0
      ? []
      : [
          {
            name: 'parameters',
            value: isCounted
              ? `${grouped(entries)} in ${tensors.length} tensors`
              : `${tensors.length} tensors`,
          },
        ]),
    ...(header === undefined || header.started === ''
      ? []
      : [
          {
            name: 'started',
            value: header.started.replace(/^(\S+)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, '$1 $2 UTC'),
          },
        ]),
    {
      name: 'steps',
      value:
        first === undefined || last === undefined
          ? 'none logged yet'
          : `${grouped(steps.length)} logged, ${first.step} to ${last.step}`,
    },
    ...(last === undefined || last.time === 0 ? [] : [{ name: 'time', value: duration(last.time) }]),
  ]
}

/** Thousands apart by thin spaces. */
const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, '\u2009')

/** A value of a header: `{ name: 'sgd', lr: 0.1 }` as "sgd, lr 0.1". */
function inWords(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value)
  if (typeof value !== 'object' || value === null) return ''
  const parts = Object.entries(value).flatMap(([key, inner]) => {
    const text = inWords(inner)
    if (text === '') return []
    return key === 'name' || key === 'file' || Array.isArray(value) ? [text] : [`${key} ${text}`]
  })
  return parts.join(', ')
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toPrecision(3)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A quantity that was due at some steps and could not be had, for one reason. */
export interface Absence {
  readonly quantity: string
  readonly reason: string
  readonly steps: number
  readonly first: number
  readonly last: number
}

/** What was absent and why, the most frequent first. */
export function absencesOf({ steps }: Run): Absence[] {
  const found = new Map<
    string,
    { quantity: string; reason: string; steps: number; first: number; last: number }
  >()
  for (const { step, absent } of steps) {
    for (const [quantity, reason] of Object.entries(absent ?? {})) {
      const key = JSON.stringify([quantity, reason])
      const known = found.get(key) ?? { quantity, reason, steps: 0, first: step, last: step }
      found.set(key, known)
      known.steps++
      known.last = step
    }
  }
  return [...found.values()].sort((a, b) => b.steps - a.steps)
}
