/** @file A panel as SVG: title, legend and notes around what Observable Plot draws. */
import * as Plot from '@observablehq/plot'
import { type AxisScale, type PanelScales, scalesOf, widthOf } from '../axis-scale.ts'
import type { PlotAxis, PlotMark, PlotPanel } from '../plot.ts'
import { colourOf } from '../tones.ts'
import { drawnMarks, type Markish, onFirst } from './marks.ts'
import { type SvgMaker, wrapped } from './svg.ts'

export interface Size {
  readonly width: number
  readonly height: number
}

const size = { title: 12, text: 10.5, line: 14, axis: 10 }

/** Where the parts of a panel are. */
export interface PanelLayout {
  readonly panel: PlotPanel
  readonly size: Size
  readonly titles: readonly string[]
  readonly legend: readonly (readonly LegendEntry[])[]
  readonly notes: readonly string[]
  /** Height of what is above the plot, and below. */
  readonly head: number
  readonly foot: number
  readonly scales: PanelScales
  readonly area: Area
}

/** Finds the place of each part of a panel. */
export function layOut(panel: PlotPanel, { width, height }: Size): PanelLayout {
  const isNarrow = width < 100 && panel.y.hidden === true
  const titles = panel.title === '' ? [] : wrapped(panel.title, width, size.title * 0.56)
  const legend = legendLines(panel, width)
  const notes = panel.note === undefined ? [] : wrapped(panel.note, width - 4, size.axis * 0.52)
  const labelRow = panel.y.label === '' && (panel.second?.label ?? '') === '' ? 4 : size.line
  const head = (titles.length + legend.length) * size.line + labelRow
  const foot = notes.length * (size.line - 2)
  const inner = { width, height: Math.max(40, height - head - foot) }
  const ends = {
    marginTop: 8,
    marginBottom: panel.x.hidden === true && panel.x.label === '' ? 2 : panel.x.label === '' ? 18 : 30,
  }
  const scales = scalesOf(panel, {
    x: Math.max(2, Math.round((width - sideMargin - 10) / 65)),
    y: Math.max(2, Math.round((inner.height - ends.marginTop - ends.marginBottom) / 34)),
  })
  const area = {
    ...inner,
    ...ends,
    marginLeft: isNarrow ? 2 : Math.min(width / 3, marginFor(scales.y)),
    marginRight:
      scales.second !== undefined && panel.second?.hidden !== true
        ? Math.min(width / 3, marginFor(scales.second))
        : isNarrow
          ? 2
          : 10,
  }
  return { panel, size: { width, height }, titles, legend, notes, head, foot, scales, area }
}

/** Draws a panel into an `<svg>` of its own, to be put anywhere in another. */
export function drawPanel(
  { panel, size: { width, height }, titles, legend, notes, head, foot, scales, area }: PanelLayout,
  svg: SvgMaker,
): SVGElement {
  const root = svg.element('svg', { width, height, viewBox: `0 0 ${width} ${height}` })
  titles.forEach((text, i) =>
    root.append(
      svg.text(text, { x: 2, y: size.title + i * size.line, 'font-size': size.title, 'font-weight': 600 }),
    ),
  )
  legend.forEach((line, i) => root.append(legendLine(line, (titles.length + i + 1) * size.line - 3, svg)))
  const labelAt = head - 3
  const isShown = (axis: PlotAxis | undefined): axis is PlotAxis =>
    axis !== undefined && axis.hidden !== true && axis.label !== ''
  if (isShown(panel.y)) root.append(svg.text(labelOf(panel.y), { x: 2, y: labelAt, ...soft }))
  if (isShown(panel.second))
    root.append(svg.text(labelOf(panel.second), { x: width - 2, y: labelAt, 'text-anchor': 'end', ...soft }))
  if (isShown(panel.x))
    root.append(
      svg.text(labelOf(panel.x), {
        x: width - area.marginRight,
        y: head + area.height - 3,
        'text-anchor': 'end',
        ...soft,
      }),
    )
  notes.forEach((text, i) =>
    root.append(
      svg.text(text, { x: 2, y: height - foot + 9 + i * (size.line - 2), ...soft, 'font-style': 'italic' }),
    ),
  )
  const plot = plotted(panel, scales, area, svg)
  svg.set(plot, { x: 0, y: head })
  root.append(plot)
  return root
}

/** What labels of usual length need beside an axis. */
const sideMargin = 46

/** So wide that no label is cut off, with its tick. */
function marginFor(scale: AxisScale): number {
  const longest = scale.ticks.reduce((most, tick) => Math.max(most, widthOf(scale.label(tick))), 0)
  return Math.max(sideMargin, size.axis * longest + 12)
}

const soft = { 'font-size': size.axis, opacity: 0.75 }

const labelOf = ({ label, unit }: PlotAxis): string => (unit === undefined ? label : `${label} [${unit}]`)

interface Area extends Size {
  readonly marginLeft: number
  readonly marginRight: number
  readonly marginTop: number
  readonly marginBottom: number
}

function plotted(panel: PlotPanel, scales: PanelScales, area: Area, svg: SvgMaker): SVGElement {
  const inner = {
    width: area.width - area.marginLeft - area.marginRight,
    height: area.height - area.marginTop - area.marginBottom,
  }
  const isFlush = panel.marks.some(
    ({ mark }) => mark === 'cell' || mark === 'bar' || mark === 'shape' || mark === 'outline',
  )
  const plot = Plot.plot({
    document: svg.document,
    ...area,
    style: { background: 'none' },
    x: { ...optionsOf(panel.x, scales.x), inset: isFlush ? 0 : 5 },
    y: { ...optionsOf(panel.y, scales.y), inset: isFlush ? 0 : 3 },
    color: {
      scheme: 'viridis',
      domain: [...scales.x.domain],
      type: panel.x.scale === 'symlog' ? 'symlog' : 'linear',
    },
    marks: [...axes(panel, scales, inner), ...drawnMarks(panel, scales)],
  })
  return svg.bare(plot as unknown as SVGElement)
}

function optionsOf({ scale, linearWithin }: PlotAxis, { domain }: AxisScale): Plot.ScaleOptions {
  return {
    type: scale,
    domain: [...domain],
    label: null,
    axis: null,
    ...(scale === 'symlog' && { constant: linearWithin ?? 1 }),
  }
}

function axes(panel: PlotPanel, { x, y, second }: PanelScales, inner: Size): Markish[] {
  const style = { label: null, tickSize: 3, fontSize: size.axis, fillOpacity: 0.85, strokeOpacity: 0.5 }
  const isPlain = panel.y.hidden !== true && panel.y.names === undefined
  const every = Math.max(1, Math.ceil((panel.y.names?.length ?? 0) / (inner.height / 11)))
  const rows = panel.y.names === undefined ? y.ticks : y.ticks.filter((_, i) => i % every === 0)
  return [
    ...(isPlain ? [Plot.gridY([...rows], { strokeOpacity: 0.1 })] : []),
    ...(panel.y.hidden === true
      ? []
      : [Plot.axisY([...rows], { ...style, anchor: 'left', text: (tick: number) => y.label(tick) })]),
    ...(panel.x.hidden === true
      ? []
      : [
          Plot.axisX([...x.ticks], {
            ...style,
            anchor: 'bottom',
            text: (tick: number) => x.label(tick),
          }),
        ]),
    ...(second === undefined || panel.second?.hidden === true ? [] : [secondAxis(second, y, style)]),
    ...(panel.x.hidden === true ? [] : [Plot.frame({ anchor: 'bottom', strokeOpacity: 0.3 })]),
  ]
}

function secondAxis(second: AxisScale, first: AxisScale, style: Plot.AxisYOptions): Markish {
  const at = onFirst(second, first)
  const labels = new Map(second.ticks.map((tick) => [at(tick), second.label(tick)]))
  return Plot.axisY([...labels.keys()], {
    ...style,
    anchor: 'right',
    text: (tick: number) => labels.get(tick) ?? '',
  })
}

interface LegendEntry {
  readonly sign: string
  readonly name: string
  readonly colour: string
}

const signs: Readonly<Record<PlotMark['mark'], string>> = {
  point: '●',
  line: '━',
  rule: '┃',
  area: '■',
  bar: '■',
  outline: '━',
  cell: '■',
  shape: '■',
  text: ' ',
  edge: '×',
}

/** Names of marks, in as few lines as they take. */
function legendLines({ marks, second }: PlotPanel, width: number): LegendEntry[][] {
  const entries = marks
    .filter(({ name }) => name !== '')
    .map((mark): LegendEntry => {
      const sign =
        mark.mark === 'line' && mark.dashed === true
          ? '╍'
          : mark.mark === 'point' && mark.symbol === 'ring'
            ? '○'
            : signs[mark.mark]
      const onRight = mark.second === true && second?.hidden !== true
      return { sign, name: onRight ? `${mark.name} (right)` : mark.name, colour: colourOf(mark.tone) }
    })
  const lines: LegendEntry[][] = []
  let used = Infinity
  for (const entry of entries) {
    const needs = (entry.name.length + 4) * size.text * 0.55
    if (used + needs > width) {
      lines.push([])
      used = 0
    }
    lines.at(-1)!.push(entry)
    used += needs
  }
  return lines
}

function legendLine(entries: readonly LegendEntry[], y: number, svg: SvgMaker): SVGElement {
  const text = svg.element('text', { x: 2, y, 'font-size': size.text, fill: 'currentColor' })
  entries.forEach(({ sign, name, colour }, i) => {
    const swatch = svg.element('tspan', { fill: colour, ...(i > 0 && { dx: 12 }) })
    swatch.textContent = sign
    const label = svg.element('tspan', { dx: 4, opacity: 0.9 })
    label.textContent = name
    text.append(swatch, label)
  })
  return text
}
