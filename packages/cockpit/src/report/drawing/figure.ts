/** @file Pictures: a gauge, a whole dashboard, or any plot, as one SVG. */
import type { Dashboard, DashboardGauge, DashboardSection } from '../dashboard.ts'
import type { Gauge, Plot } from '../plot.ts'
import { colourOf } from '../tones.ts'
import { drawPanel, layOut, type PanelLayout, type Size } from './panel.ts'
import { type DocumentOption, rootSvg, svgMaker, type SvgMaker, wrapped } from './svg.ts'

/** Of the dashboard: three columns of equal width, and rows. */
const columnWidth = 420
const [gap, rowHeight, heading, edge] = [24, 250, 34, 24]

/** How large a gauge is drawn. */
export function gaugeSize({ columns, panels }: DashboardGauge): Size {
  const rows = new Set(panels.map(({ top }) => top)).size
  const isGrid = columns === 3 && rows > 1
  return { width: columns * columnWidth + (columns - 1) * gap, height: isGrid ? rows * 190 : rowHeight }
}

export interface GaugePictureOptions extends DocumentOption, Partial<Size> {}

/** One gauge, or the sentences that say why it isn't there. */
export function renderGauge(gauge: Gauge, options: GaugePictureOptions = {}): SVGSVGElement {
  const size = { width: options.width ?? columnWidth, height: options.height ?? rowHeight }
  const svg = svgMaker(options)
  const root = rootSvg(
    svg,
    size,
    `${gauge.title}. ${gauge.panels.length > 0 ? gauge.description : gauge.missing.join('; ')}`,
  )
  root.append(...gaugeParts(gauge, size, svg))
  return root
}

function gaugeParts({ title, panels, missing }: Gauge, { width, height }: Size, svg: SvgMaker): SVGElement[] {
  if (panels.length === 0) {
    const lines = missing.flatMap((sentence) => wrapped(sentence, width - 30, 5.8))
    return [
      svg.text(title, { x: 2, y: 12, 'font-size': 12, 'font-weight': 600, opacity: 0.6 }),
      svg.element('rect', {
        x: 2,
        y: 22,
        width: width - 4,
        height: height - 30,
        rx: 4,
        fill: 'none',
        stroke: 'currentColor',
        'stroke-opacity': 0.2,
        'stroke-dasharray': '3 4',
      }),
      ...lines.map((line, i) =>
        svg.text(line, {
          x: width / 2,
          y: height / 2 + 8 + (i - (lines.length - 1) / 2) * 16,
          'text-anchor': 'middle',
          'font-size': 11,
          opacity: 0.7,
        }),
      ),
    ]
  }
  const space = 10
  const layouts = panels.map(({ panel, ...placed }) => {
    const right = placed.left + placed.width < 0.999 ? space / 2 : 0
    const left = placed.left > 0.001 ? space / 2 : 0
    const inner = { width: placed.width * width - left - right, height: placed.height * height }
    return { at: { x: placed.left * width + left, y: placed.top * height }, layout: layOut(panel, inner) }
  })
  return layouts.map(({ at, layout }) => {
    const below = layouts.filter(
      (other) => other.at.x === at.x && other.layout.size.width === layout.size.width,
    )
    const drawn = drawPanel(
      inLine(
        layout,
        below.map((other) => other.layout),
      ),
      svg,
    )
    svg.set(drawn, at)
    return drawn
  })
}

/** With its axis where those of the panels above and below have theirs. */
function inLine(layout: PanelLayout, column: readonly PanelLayout[]): PanelLayout {
  const marginLeft = Math.max(...column.map(({ area }) => area.marginLeft))
  return { ...layout, area: { ...layout.area, marginLeft } }
}

/** A whole dashboard as one picture, on white ground unless another is named. */
export function renderDashboard(
  { title, runs, sections }: Dashboard,
  { ground = 'white', ...options }: DocumentOption & { readonly ground?: string } = {},
): SVGSVGElement {
  const svg = svgMaker(options)
  const width = 3 * columnWidth + 2 * gap + 2 * edge
  const parts: SVGElement[] = [
    svg.text(title, { x: edge, y: edge + 14, 'font-size': 18, 'font-weight': 600 }),
  ]
  if (runs.length > 1) parts.push(legendOf(runs, edge + 36, svg))
  let y = edge + (runs.length > 1 ? 60 : 38)
  const columns = sections.filter(({ arrangement }) => arrangement === 'column')
  const heights = columns.map((section, i) => {
    const x = edge + i * (columnWidth + gap)
    parts.push(headingOf(section, { x, y, width: columnWidth }, svg))
    section.gauges.forEach((gauge, k) =>
      parts.push(placed(gauge, { x, y: y + heading + k * (rowHeight + gap) }, svg)),
    )
    return heading + section.gauges.length * (rowHeight + gap)
  })
  y += Math.max(0, ...heights)
  for (const section of sections.filter(({ arrangement }) => arrangement === 'row')) {
    parts.push(headingOf(section, { x: edge, y, width: width - 2 * edge }, svg))
    y += heading
    let [column, highest] = [0, 0]
    for (const gauge of section.gauges) {
      if (column + gauge.columns > 3) {
        y += highest + gap
        ;[column, highest] = [0, 0]
      }
      parts.push(placed(gauge, { x: edge + column * (columnWidth + gap), y }, svg))
      column += gauge.columns
      highest = Math.max(highest, gaugeSize(gauge).height)
    }
    y += highest + gap
  }
  const root = rootSvg(svg, { width, height: Math.round(y) }, title)
  svg.set(root, { color: '#1c2024' })
  root.append(svg.element('rect', { width: '100%', height: '100%', fill: ground }), ...parts)
  return root
}

interface At {
  readonly x: number
  readonly y: number
}

function placed(gauge: DashboardGauge, at: At, svg: SvgMaker): SVGElement {
  const size = gaugeSize(gauge)
  const inner = svg.element('svg', { ...at, ...size, viewBox: `0 0 ${size.width} ${size.height}` })
  inner.append(...gaugeParts(gauge, size, svg))
  return inner
}

function headingOf(
  { title, tone }: DashboardSection,
  { x, y, width }: At & { readonly width: number },
  svg: SvgMaker,
): SVGElement {
  const group = svg.element('g', { transform: `translate(${x} ${y})` })
  group.append(
    svg.element('rect', { width, height: 3, rx: 1.5, fill: colourOf(tone) }),
    svg.text(title.toUpperCase(), {
      x: 2,
      y: 19,
      'font-size': 11.5,
      'font-weight': 600,
      'letter-spacing': 0.8,
      fill: colourOf(tone),
    }),
  )
  return group
}

function legendOf(runs: Dashboard['runs'], y: number, svg: SvgMaker): SVGElement {
  const text = svg.element('text', { x: edge, y, 'font-size': 13, fill: 'currentColor' })
  runs.forEach(({ name, tone }, i) => {
    const swatch = svg.element('tspan', { fill: colourOf(tone), ...(i > 0 && { dx: 18 }) })
    swatch.textContent = '●'
    const label = svg.element('tspan', { dx: 5 })
    label.textContent = name
    text.append(swatch, label)
  })
  return text
}

export interface PlotPictureOptions extends DocumentOption {
  /** Of one panel. Default: 420 by 250. */
  readonly size?: Size
}

/** Any plot as one picture, its panels in up to three columns. */
export function renderPlot({ title, panels }: Plot, options: PlotPictureOptions = {}): SVGSVGElement {
  const svg = svgMaker(options)
  const { width, height } = options.size ?? { width: columnWidth, height: rowHeight }
  const columns = Math.max(1, Math.min(3, panels.length))
  const whole = {
    width: columns * (width + gap) + gap,
    height: 50 + Math.max(1, Math.ceil(panels.length / columns)) * (height + gap),
  }
  const root = rootSvg(svg, whole, title)
  svg.set(root, { color: '#1c2024' })
  root.append(svg.text(title, { x: gap, y: 28, 'font-size': 15, 'font-weight': 600 }))
  panels.forEach((panel, i) => {
    const drawn = drawPanel(layOut(panel, { width, height }), svg)
    svg.set(drawn, {
      x: gap + (i % columns) * (width + gap),
      y: 50 + Math.floor(i / columns) * (height + gap),
    })
    root.append(drawn)
  })
  return root
}
