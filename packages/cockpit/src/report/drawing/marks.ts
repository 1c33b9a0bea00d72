/** @file Marks of a panel as those of Observable Plot. */
import * as Plot from '@observablehq/plot'
import { type AxisScale, type PanelScales, told } from '../axis-scale.ts'
import type { BarMark, CellMark, CurveMark, EdgeMark, PlotMark, PlotPanel, ShapeMark } from '../plot.ts'
import { colourOf } from '../tones.ts'

/** Drawn by Plot, or a function that draws between scales. */
export type Markish = Plot.Markish

export function drawnMarks(panel: PlotPanel, scales: PanelScales): Markish[] {
  return panel.marks.flatMap((mark) => {
    const heights =
      mark.second === true && scales.second !== undefined
        ? onFirst(scales.second, scales.y)
        : (y: number): number => y
    return drawn(mark, { panel, scales, heights })
  })
}

interface Drawing {
  readonly panel: PlotPanel
  readonly scales: PanelScales
  /** Heights as the first axis has them. */
  readonly heights: (y: number) => number
}

/** Where the first axis has the height that the second one has a value at. */
export function onFirst(second: AxisScale, first: AxisScale): (value: number) => number {
  // Both are monotone, so that between the ends bisection finds it, whatever the scales are.
  return (value) => {
    const place = second.place(value)
    let [low, high] = first.domain
    if (place <= 0 || place >= 1) return place <= 0 ? low : high
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2
      if (first.place(middle) < place) low = middle
      else high = middle
    }
    return (low + high) / 2
  }
}

function drawn(mark: PlotMark, drawing: Drawing): Markish[] {
  switch (mark.mark) {
    case 'point':
      return points(mark, drawing)
    case 'line':
      return line(mark, drawing)
    case 'rule':
      return rules(mark, drawing)
    case 'area':
      return [
        Plot.areaY(mark.x, {
          x: mark.x,
          y1: mark.x.map(() => drawing.scales.y.domain[0]),
          y2: mark.y.map(drawing.heights),
          fill: colourOf(mark.tone),
          fillOpacity: mark.opacity ?? 0.3,
        }),
      ]
    case 'bar':
      return bars(mark, drawing)
    case 'outline':
      return [outline(mark, drawing)]
    case 'cell':
      return [cells(mark)]
    case 'shape':
      return [shape(mark, drawing)]
    case 'text':
      return [
        Plot.text(mark.text, {
          x: mark.x,
          y: mark.y,
          text: mark.text,
          textAnchor: mark.anchor ?? 'middle',
          fill: colourOf(mark.tone),
          fontSize: 13,
        }),
      ]
    case 'edge':
      return [edge(mark)]
  }
}

/** Pairs that can be drawn; others are gaps. */
function pairs({ x, y }: CurveMark, { heights }: Drawing): { x: number; y: number; told: number | null }[] {
  return x.map((at, i) => {
    const value = y[i] ?? null
    return { x: at, y: value === null ? NaN : heights(value), told: value }
  })
}

function hover(mark: CurveMark, { panel }: Drawing): (at: { x: number; told: number | null }) => string {
  const name = mark.name === '' ? panel.y.label : mark.name
  const along = panel.x.label === '' ? 'step' : panel.x.label
  return ({ x, told: value }) =>
    `${along} ${told(x)}: ${value === null ? 'nothing' : told(value)}${name === '' ? '' : ` (${name})`}`
}

function points(mark: CurveMark, drawing: Drawing): Markish[] {
  const data = pairs(mark, drawing).filter(({ y }) => Number.isFinite(y))
  const colour = mark.byStep === true ? { fill: 'x' } : { fill: colourOf(mark.tone) }
  const many = data.length > 150
  const shape =
    mark.symbol === 'ring'
      ? { stroke: colourOf(mark.tone), strokeWidth: many ? 1 : 1.4, r: many ? 1.8 : 2.6 }
      : { ...colour, r: many ? 1.6 : 2.3, ...(mark.symbol === 'triangle' && { symbol: 'triangle' as const }) }
  return [
    Plot.dot(data, {
      x: 'x',
      y: 'y',
      ...shape,
      opacity: mark.opacity ?? 1,
      title: hover(mark, drawing),
    }),
  ]
}

function line(mark: CurveMark, drawing: Drawing): Markish[] {
  const data = pairs(mark, drawing)
  const colour = colourOf(mark.tone)
  const isSparse = data.length <= 120
  return [
    Plot.line(data, {
      x: 'x',
      y: 'y',
      stroke: colour,
      strokeWidth: 1.5,
      strokeOpacity: mark.opacity ?? 1,
      ...(mark.dashed === true && { strokeDasharray: '4 3' }),
    }),
    // Something to hover over, and single values that make no line.
    ...(isSparse
      ? [
          Plot.dot(
            data.filter(({ y }) => Number.isFinite(y)),
            {
              x: 'x',
              y: 'y',
              fill: colour,
              r: data.length < 20 ? 2 : 3,
              fillOpacity: data.length < 20 ? 1 : 0,
              title: hover(mark, drawing),
            },
          ),
        ]
      : []),
  ]
}

function rules({ x, y, tone, opacity, dashed, name }: CurveMark, { heights }: Drawing): Markish[] {
  const style = {
    stroke: colourOf(tone ?? 'grey'),
    strokeOpacity: opacity ?? 1,
    ...(dashed === true && { strokeDasharray: '3 3' }),
    ...(name !== '' && { title: () => name }),
  }
  const levels = y.filter((value) => value !== null).map(heights)
  return [
    ...(y.length === 0 && x.length > 0 ? [Plot.ruleX(x, style)] : []),
    ...(x.length === 0 && levels.length > 0 ? [Plot.ruleY(levels, style)] : []),
  ]
}

interface Bar {
  readonly low: number
  readonly high: number
  readonly from: number
  readonly to: number
  readonly length: number
}

function barsIn({ edges, lengths, lying }: BarMark, { panel, scales }: Drawing): Bar[] {
  const [axis, { domain }] = lying === true ? [panel.x, scales.x] : [panel.y, scales.y]
  const from = axis.scale === 'log' ? domain[0] : 0
  return lengths.map((length, i) => ({
    low: edges[i]!,
    high: edges[i + 1]!,
    from,
    to: axis.scale === 'log' ? Math.max(length, domain[0]) : length,
    length,
  }))
}

function bars(mark: BarMark, drawing: Drawing): Markish[] {
  const data = barsIn(mark, drawing).filter(({ from, to }) => to > from)
  const along = { fill: colourOf(mark.tone), fillOpacity: mark.opacity ?? 1, inset: 0 }
  const title = ({ low, high, length }: Bar): string => `${told(low)} to ${told(high)}: ${told(length)}`
  return [
    mark.lying === true
      ? Plot.rect(data, { y1: 'low', y2: 'high', x1: 'from', x2: 'to', ...along, title })
      : Plot.rect(data, { x1: 'low', x2: 'high', y1: 'from', y2: 'to', ...along, title }),
  ]
}

function outline(mark: BarMark, drawing: Drawing): Markish {
  const data = barsIn(mark, drawing).flatMap(({ low, high, to }) => [
    { x: low, y: to },
    { x: high, y: to },
  ])
  const flat = mark.lying === true ? { x: 'y', y: 'x' } : { x: 'x', y: 'y' }
  return Plot.line(data, {
    ...flat,
    stroke: colourOf(mark.tone),
    strokeWidth: 1.3,
    strokeOpacity: mark.opacity ?? 1,
  })
}

const shades = 10

/** One path for all cells of a shade: thousands of cells stay a small picture. */
function cells({ x, x2, y, y2, shade, tone }: CellMark): Markish {
  return custom((scale, make) => {
    const group = make('g', { fill: colourOf(tone), 'shape-rendering': 'crispEdges' })
    const paths = Array.from({ length: shades }, (): string[] => [])
    shade.forEach((value, i) => {
      const [left, right] = [scale.x(x[i]!), scale.x(x2[i]!)]
      const [top, bottom] = [scale.y(y2[i]!), scale.y(y[i]!)]
      if (![left, right, top, bottom].every(Number.isFinite)) return
      const step = Math.min(shades - 1, Math.floor(value * shades))
      paths[step]!.push(`M${short(left)} ${short(top)}H${short(right)}V${short(bottom)}H${short(left)}Z`)
    })
    paths.forEach((parts, step) => {
      if (parts.length > 0)
        group.append(make('path', { d: parts.join(''), 'fill-opacity': short((step + 1) / shades) }))
    })
    return group
  })
}

function shape({ x, y, tone, opacity = 0.3, name }: ShapeMark, { scales }: Drawing): Markish {
  return custom((scale, make) => {
    const inside = (value: number | null, { domain: [low, high] }: AxisScale): number =>
      Math.min(high, Math.max(low, value ?? low))
    const points = x.map(
      (at, i) => `${short(scale.x(inside(at, scales.x)))} ${short(scale.y(inside(y[i] ?? null, scales.y)))}`,
    )
    const colour = colourOf(tone)
    const path = make('path', {
      d: `M${points.join('L')}Z`,
      fill: colour,
      'fill-opacity': String(opacity),
      stroke: colour,
      'stroke-width': '1',
    })
    if (name !== '') {
      const title = make('title', {})
      title.textContent = name
      path.append(title)
    }
    return path
  })
}

const short = (value: number): string => String(Math.round(value * 100) / 100)

type Make = (tag: string, attributes: Readonly<Record<string, string>>) => SVGElement

/** A mark of our own, between the scales that Plot has made. */
function custom(
  draw: (
    scale: { readonly x: (value: number) => number; readonly y: (value: number) => number },
    make: Make,
  ) => SVGElement,
): Markish {
  const render: Plot.RenderFunction = (_index, scales, _values, _dimensions, context) => {
    const make: Make = (tag, attributes) => {
      const element = context.ownerSVGElement.ownerDocument.createElementNS('http://www.w3.org/2000/svg', tag)
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
      return element
    }
    return draw({ x: (value) => scales.x!(value) as number, y: (value) => scales.y!(value) as number }, make)
  }
  return render
}

const signs: Readonly<Record<string, string>> = { NaN: '×', Infinity: '▲', '-Infinity': '▼' }

function edge({ edge: side, at, text, tone = 'red' }: EdgeMark): Markish {
  const isAcross = side === 'left' || side === 'right'
  const data = isAcross ? text.map((what) => ({ what })) : at.map((x, i) => ({ x, what: text[i]! }))
  const sign = ({ what }: { readonly what: string }): string => signs[what] ?? (side === 'left' ? '◂' : '▸')
  return Plot.text(data, {
    ...(isAcross ? {} : { x: 'x' }),
    text: sign,
    frameAnchor: side,
    fill: colourOf(tone),
    fontSize: isAcross ? 16 : 11,
    title: (one: { readonly what: string; readonly x?: number }) =>
      one.x === undefined ? one.what : `step ${one.x}: ${one.what}`,
  })
}
