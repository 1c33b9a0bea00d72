/** @file From axes to where things lie along them: ends, ticks and what is written at these, for pictures and for text. */
import { scaleLinear, scaleLog, scaleSymlog } from 'd3-scale'
import type { PlotAxis, PlotMark, PlotPanel } from './plot.ts'

export interface AxisScale {
  readonly domain: readonly [number, number]
  readonly ticks: readonly number[]
  label(tick: number): string
  /** From 0 at the lower end to 1 at the upper; beyond, outside of that. */
  place(value: number): number
}

export interface PanelScales {
  readonly x: AxisScale
  readonly y: AxisScale
  readonly second: AxisScale | undefined
}

/** The scales of a panel, with about so many ticks. */
export function scalesOf(panel: PlotPanel, ticks: { readonly x: number; readonly y: number }): PanelScales {
  const heights = (second: boolean): number[] =>
    panel.marks
      .filter((mark) => (mark.second ?? false) === second)
      .flatMap((mark) => heightsIn(mark, panel.y))
  return {
    x: scaleOf(
      panel.x,
      panel.marks.flatMap((mark) => placesIn(mark, panel.x)),
      { ticks: ticks.x, isTight: true },
    ),
    y: scaleOf(panel.y, heights(false), { ticks: ticks.y, isTight: false }),
    second:
      panel.second === undefined
        ? undefined
        : scaleOf(panel.second, heights(true), { ticks: ticks.y, isTight: false }),
  }
}

function placesIn(mark: PlotMark, axis: PlotAxis): number[] {
  switch (mark.mark) {
    case 'bar':
    case 'outline':
      return mark.lying === true ? lengthsIn(mark.lengths, axis) : [...mark.edges]
    case 'cell':
      return [...mark.x, ...mark.x2]
    case 'edge':
      return mark.edge === 'top' || mark.edge === 'bottom' ? [...mark.at] : []
    default:
      return numbersIn(mark.x)
  }
}

function heightsIn(mark: PlotMark, axis: PlotAxis): number[] {
  switch (mark.mark) {
    case 'bar':
    case 'outline':
      return mark.lying === true ? [...mark.edges] : lengthsIn(mark.lengths, axis)
    case 'cell':
      return [...mark.y, ...mark.y2]
    case 'edge':
      return mark.edge === 'left' || mark.edge === 'right' ? [...mark.at] : []
    case 'area':
      return [0, ...mark.y]
    default:
      return numbersIn(mark.y)
  }
}

/** Bars begin at zero, or below the shortest where there is no zero. */
function lengthsIn(lengths: readonly number[], { scale }: PlotAxis): number[] {
  if (scale !== 'log') return [0, ...lengths]
  const positive = lengths.filter((length) => length > 0)
  const least = positive.reduce((a, b) => Math.min(a, b), Infinity)
  return least === Infinity ? [] : [least / 2, ...positive]
}

interface ScaleOptions {
  readonly ticks: number
  /** Ends where the values end. */
  readonly isTight: boolean
}

function scaleOf(
  axis: PlotAxis,
  values: readonly number[],
  { ticks: most, isTight }: ScaleOptions,
): AxisScale {
  const shown = values.filter((value) => Number.isFinite(value) && (axis.scale !== 'log' || value > 0))
  // A line that does not move is read off with few ticks.
  const isConstant = axis.range === undefined && shown.every((value) => value === shown[0])
  const count = isConstant ? Math.min(most, 3) : most
  const isFixed = axis.range !== undefined || isTight
  const domain = endsOf(axis, shown)
  const scale = d3Scale(axis, domain)
  if (!isFixed && axis.scale !== 'log') scale.nice(count)
  else if (!isFixed) widen(scale)
  const [low, high] = scale.domain() as [number, number]
  const ticks =
    axis.ticks ?? (axis.names === undefined ? ticksOf(axis, [low, high], count) : namedTicks(axis.names))
  const unit = scale.copy().range([0, 1])
  const label =
    axis.names === undefined ? labelsFor(ticks) : (tick: number): string => axis.names![tick] ?? ''
  return { domain: [low, high], ticks, label, place: (value) => unit(value) }
}

type D3Scale = ReturnType<typeof scaleLinear<number, number>> | ReturnType<typeof scaleLog<number, number>>

function d3Scale({ scale, linearWithin = 1 }: PlotAxis, domain: readonly [number, number]): D3Scale {
  if (scale === 'log') return scaleLog<number, number>().domain(domain)
  if (scale === 'symlog')
    return scaleSymlog<number, number>().constant(linearWithin).domain(domain) as unknown as D3Scale
  return scaleLinear<number, number>().domain(domain)
}

function endsOf({ range, scale, integers }: PlotAxis, shown: readonly number[]): readonly [number, number] {
  const [low, high] = range ?? [
    shown.reduce((a, b) => Math.min(a, b), Infinity),
    shown.reduce((a, b) => Math.max(a, b), -Infinity),
  ]
  if (low > high) return scale === 'log' ? [0.1, 10] : [0, 1]
  if (low < high) return [low, high]
  if (scale === 'log') return [low / 2, low * 2]
  // From zero, so that the value itself is at a tick as often as can be.
  const around = integers === true ? 0.5 : Math.abs(low) || 1
  return [low - around, high + around]
}

/** A little more than the values take. */
function widen(scale: D3Scale): void {
  const [low, high] = scale.domain() as [number, number]
  const by = Math.max(10 ** (0.04 * (Math.log10(high) - Math.log10(low))), 1.02)
  scale.domain([low / by, high * by])
}

function ticksOf(axis: PlotAxis, domain: readonly [number, number], count: number): number[] {
  const [low, high] = domain
  if (axis.scale === 'log') return logTicks(domain, count)
  if (axis.scale === 'symlog') return symlogTicks(axis, domain, count)
  const ticks = scaleLinear().domain([low, high]).ticks(count)
  return axis.integers === true ? ticks.filter(Number.isInteger) : ticks
}

function logTicks([low, high]: readonly [number, number], count: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  const powers = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i))
  if (powers.length >= 3) return powers.filter((_, i) => i % Math.ceil(powers.length / count) === 0)
  const between = [1, 2, 5]
    .flatMap((digit) => Array.from({ length: 4 }, (_, i) => digit * 10 ** (Math.floor(Math.log10(low)) + i)))
    .filter((tick) => tick >= low && tick <= high)
    .sort((a, b) => a - b)
  const every = Math.ceil(between.length / Math.max(2, count))
  return between.length >= 2
    ? between.filter((_, i) => i % every === 0)
    : scaleLinear().domain([low, high]).ticks(Math.min(count, 3))
}

/** Zero, and powers of ten beyond where the axis is linear, on both sides. */
function symlogTicks(
  { linearWithin = 1 }: PlotAxis,
  [low, high]: readonly [number, number],
  count: number,
): number[] {
  const end = Math.max(Math.abs(low), Math.abs(high))
  const from = Math.ceil(Math.log10(linearWithin) - 1e-9)
  const powers = Array.from(
    { length: Math.max(0, Math.floor(Math.log10(end) + 1e-9) - from + 1) },
    (_, i) => 10 ** (from + i),
  )
  const sides = low < 0 && high > 0 ? 2 : 1
  const every = Math.max(1, Math.ceil((powers.length * sides) / count))
  const some = powers.filter((_, i) => (powers.length - 1 - i) % every === 0)
  const ticks = [...some.map((tick) => -tick).reverse(), 0, ...some].filter(
    (tick) => tick >= low && tick <= high,
  )
  return ticks.length >= 2 ? ticks : scaleLinear().domain([low, high]).ticks(Math.min(count, 4))
}

/** So many names as can be read. */
const namedTicks = (names: readonly string[]): number[] => [...names.keys()]

/** Numbers in one form for all ticks of an axis: as they are, or with powers of ten where they are very large or small. */
export function labelsFor(ticks: readonly number[]): (tick: number) => string {
  const sizes = ticks.map(Math.abs).filter((size) => size > 0)
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0)
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Infinity)
  const isPlain = largest < 1e5 && smallest >= 1e-4
  return (tick) => {
    if (tick === 0) return '0'
    return isPlain ? minus(String(Number(tick.toPrecision(6)))) : powerOf(tick)
  }
}

/** About how wide a label is, in units of its size of font. */
export function widthOf(label: string): number {
  return [...label].reduce(
    (sum, sign) => sum + (widths.find(([signs]) => signs.includes(sign))?.[1] ?? 0.54),
    0,
  )
}

const raised = '⁰¹²³⁴⁵⁶⁷⁸⁹'

const widths = [
  ['0123456789', 0.64],
  ['.·', 0.32],
  [`${raised}⁻`, 0.45],
  ['−', 0.84],
] as const

function powerOf(value: number): string {
  const [mantissa, exponent] = Number(value.toPrecision(3)).toExponential().split('e') as [string, string]
  const power = `10${[...String(Number(exponent))].map((sign) => (sign === '-' ? '⁻' : raised[Number(sign)]!)).join('')}`
  if (mantissa === '1') return power
  return mantissa === '-1' ? `−${power}` : `${minus(mantissa)}·${power}`
}

const minus = (text: string): string => text.replace('-', '−')

/** A value as it is told, with as many digits as are of interest. */
export function told(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return minus(String(Number(value.toPrecision(4))))
}

const numbersIn = (values: readonly (number | null)[]): number[] =>
  values.filter((value): value is number => value !== null)
