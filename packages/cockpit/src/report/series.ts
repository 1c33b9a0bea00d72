/** @file Quantities of a run as numbers over steps; what is no number, or has no place on an axis, is told apart and counted. */
import type { LoggedValue } from '../log/run-line.ts'
import { inAll, type Run, seriesOf } from '../log/run.ts'
import type { Curve } from './thinning.ts'

/** A run under the name that legends call it. */
export interface NamedRun {
  readonly name: string
  readonly run: Run
}

export interface Numbers extends Curve {
  /** Steps whose value is no finite number, and which. */
  readonly lost: { readonly steps: readonly number[]; readonly values: readonly number[] }
}

/** Finite numbers, and the others. */
export function numbersOf(steps: readonly number[], values: readonly number[]): Numbers {
  const found = { steps: [] as number[], values: [] as number[] }
  const lost = { steps: [] as number[], values: [] as number[] }
  values.forEach((value, i) => {
    const to = Number.isFinite(value) ? found : lost
    to.steps.push(steps[i]!)
    to.values.push(value)
  })
  return { ...found, lost }
}

/** A quantity that is a number, or one for each parameter: these joined. Values of another form are left out. */
export function quantity(run: Run, name: string, as: 'norm' | 'sum' = 'norm'): Numbers {
  const { steps, values } = seriesOf(run, name)
  const having: number[] = []
  const numbers: number[] = []
  values.forEach((value, i) => {
    const number = numberIn(value, as)
    if (number === undefined) return
    having.push(steps[i]!)
    numbers.push(number)
  })
  return numbersOf(having, numbers)
}

function numberIn(value: LoggedValue, as: 'norm' | 'sum'): number | undefined {
  if (typeof value === 'number') return value
  if (Array.isArray(value)) return undefined
  const each = value as Readonly<Record<string, LoggedValue>>
  return Object.values(each).every((one) => typeof one === 'number')
    ? inAll(each as Readonly<Record<string, number>>, as)
    : undefined
}

/** Whether there is anything of it, be it no number. */
export const isKnown = ({ values, lost }: Numbers): boolean => values.length + lost.values.length > 0

/** What was noted under names of a kind, by name. */
export function noted(run: Run, kind: RegExp): ReadonlyMap<string, Numbers> {
  const found = new Map<string, { steps: number[]; values: number[] }>()
  for (const { step, values } of run.notes) {
    for (const [name, value] of Object.entries(values)) {
      if (!kind.test(name) || typeof value !== 'number') continue
      const series = found.get(name) ?? { steps: [], values: [] }
      found.set(name, series)
      series.steps.push(step)
      series.values.push(value)
    }
  }
  return new Map([...found].map(([name, { steps, values }]) => [name, numbersOf(steps, values)]))
}

/** The learning rate of each step, as the step itself or a note has it. */
export function learningRates(run: Run): Numbers {
  const having = run.steps.filter(({ learningRate }) => typeof learningRate === 'number')
  if (having.length > 0) {
    return numbersOf(
      having.map(({ step }) => step),
      having.map(({ learningRate }) => learningRate!),
    )
  }
  return [...noted(run, /^learning_?rate$/i).values()][0] ?? numbersOf([], [])
}

/** Why a quantity is not there: what its steps say, or that nobody asked for it. */
export function missing({ run }: NamedRun, name: string): string {
  const reasons = new Map<string, number>()
  for (const { absent } of run.steps) {
    const reason = absent !== undefined && Object.hasOwn(absent, name) ? absent[name]! : undefined
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  const [reason] = [...reasons].sort((a, b) => b[1] - a[1])
  if (reason !== undefined) return `${name}: ${reason[0]}`
  if (run.header === undefined || run.steps.length === 0) return `${name}: no step is logged yet`
  return run.header.quantities.includes(name)
    ? `${name}: no value is logged yet`
    : `${name} is not among what was measured`
}
