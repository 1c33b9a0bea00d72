/** @file Logs of the Python library Cockpit: one JSON file, written when a run has ended, as a run like those of our own. */
import { DataError } from '@beyondgrad/tensor'
import type { LoggedValue, NoteLine, StepLine } from './run-line.ts'
import type { Run } from './run.ts'

export interface CockpitImport {
  /** Names of the parameters, in the order of the model, which the file does not have. Default: "0", "1", … */
  readonly parameters?: readonly string[]
}

/** Keys of Cockpit's own log beside its quantities. */
const notes = new Set([
  'epoch_count',
  'train_loss',
  'valid_loss',
  'test_loss',
  'train_accuracy',
  'valid_accuracy',
  'test_accuracy',
  'learning_rate',
])

/** Quantities with one number, or list, for each parameter. */
const perParameter = new Set(['GradNorm', 'UpdateSize', 'Distance', 'HessTrace', 'Parameters'])

/**
 * Reads what Cockpit's `write` has written. Times and shapes of parameters are not in it, and are 0 and empty here. Throws `DataError` for
 * what is no such file.
 */
export function parseCockpit(text: string, { parameters }: CockpitImport = {}): Run {
  const table = tableOf(text)
  const steps: StepLine[] = []
  const noted: NoteLine[] = []
  const quantities = new Set<string>()
  let names = parameters
  for (const [key, row] of Object.entries(table)) {
    const step = Number(key)
    if (!Number.isInteger(step) || typeof row !== 'object' || row === null)
      throw notOurs(`"${key}" is no step with its values`)
    const [values, own]: Record<string, LoggedValue>[] = [{}, {}]
    for (const [name, value] of Object.entries(row as Readonly<Record<string, unknown>>)) {
      if (value === null) continue
      if (notes.has(name)) {
        own![name] = plain(value)
        continue
      }
      quantities.add(name)
      const read = plain(value)
      if (perParameter.has(name) && Array.isArray(read)) names ??= read.map((_, i) => String(i))
      values![name] = valueOf(name, read, names ?? [])
    }
    if (Object.keys(values!).length > 0) steps.push({ kind: 'step', step, time: 0, quantities: values! })
    if (Object.keys(own!).length > 0) noted.push({ kind: 'note', step, time: 0, values: own! })
  }
  steps.sort((a, b) => a.step - b.step)
  noted.sort((a, b) => a.step - b.step)
  const header = {
    kind: 'header',
    version: 1,
    started: '',
    parameters: (names ?? []).map((name) => ({ name, shape: [] })),
    quantities: [...quantities],
  } as const
  return { header, steps, notes: noted }
}

function tableOf(text: string): Readonly<Record<string, unknown>> {
  try {
    // Python writes these where JSON has nothing.
    const quoted = text.replace(/(?<=[[:,]\s*)(-?Infinity|NaN)(?=\s*[,\]}])/g, '"$1"')
    const table: unknown = JSON.parse(quoted)
    if (typeof table === 'object' && table !== null && !Array.isArray(table))
      return table as Record<string, unknown>
  } catch {
    throw notOurs('it is not JSON')
  }
  throw notOurs('it holds no table of steps')
}

const notOurs = (why: string): DataError => new DataError(`this is no log of Cockpit: ${why}`)

/** Arrays as json_tricks writes them, with their names for what JSON lacks, as plain values. */
function plain(value: unknown): LoggedValue {
  if (typeof value === 'number') return value
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null)
    throw notOurs(`it has ${JSON.stringify(value)} for a number`)
  const record = value as Readonly<Record<string, unknown>>
  if ('__ndarray__' in record) return plain(record.__ndarray__)
  return Object.fromEntries(Object.entries(record).map(([key, inner]) => [key, plain(inner)]))
}

/** A quantity as our own log has it. */
function valueOf(name: string, value: LoggedValue, names: readonly string[]): LoggedValue {
  if (perParameter.has(name) && Array.isArray(value)) {
    if (value.length !== names.length) {
      throw new DataError(
        `parseCockpit: ${name} has ${value.length} parameters, but ${names.length} are named`,
      )
    }
    return Object.fromEntries(names.map((each, i) => [each, (value as readonly LoggedValue[])[i]!]))
  }
  if (typeof value === 'number' || Array.isArray(value) || !('hist' in value)) return value
  const { hist, edges, param_groups: groups, ...own } = value as Record<string, LoggedValue>
  const each = Object.entries(own).flatMap(([key, inner]) => {
    const at = /^param_(\d+)$/.exec(key)
    return at === null ? [] : [[names[Number(at[1])] ?? at[1]!, valueOf(name, inner, names)] as const]
  })
  return {
    counts: hist!,
    edges: edges!,
    ...(groups !== undefined && { parameters: Object.fromEntries(each) }),
  }
}
