/** @file A panel of a plot in a few lines of text, from the same data as the pictures. */
import {
  type BarMark,
  type CellMark,
  type PanelScales,
  type PlotMark,
  type PlotPanel,
  scalesOf,
  type Tone,
} from '@beyondgrad/cockpit/report'
import { Canvas, type Paint } from './canvas.ts'
import { wrapped } from './lines.ts'

export interface TextSize {
  /** Of the whole, axis included. */
  readonly columns: number
  /** Of the plot alone. */
  readonly rows: number
}

export interface TextPanelOptions extends TextSize {
  /** Default: no colours. */
  readonly paint?: Paint
}

const plain: Paint = (text) => text

/** What is left of the plot: a label and a line. */
const left = 9

/** Title, legend, plot with its axes, and note; none of the lines is longer than the columns. */
export function panelText(panel: PlotPanel, { columns, rows, paint = plain }: TextPanelOptions): string[] {
  const width = Math.max(8, columns - left - 2)
  const scales = scalesOf(panel, {
    x: Math.max(2, Math.round(width / 9)),
    y: Math.max(2, Math.round(rows / 2)),
  })
  const { title, x, y, note } = panel
  const axes = y.label === '' ? x.label : x.label === '' ? y.label : `${y.label} by ${x.label}`
  const heading = title === '' ? axes : axes === '' ? title : `${title}: ${axes}`
  const lines = [
    paint(cut(heading, columns), 'strong'),
    ...legend(panel, columns, paint),
    ...(hasSomething(panel) ? grid(panel, scales, { width, rows, paint }) : ['  nothing to draw']),
    ...(note === undefined ? [] : wrapped(note, columns - 2).map((line) => paint(`  ${line}`, 'grey'))),
  ]
  return lines
}

const cut = (text: string, columns: number): string =>
  text.length <= columns ? text : `${text.slice(0, columns - 1)}…`

function hasSomething({ marks }: PlotPanel): boolean {
  return marks.some((mark) => {
    switch (mark.mark) {
      case 'bar':
      case 'outline':
        return mark.lengths.some((length) => length > 0)
      case 'rule':
        return false
      case 'edge':
        return mark.at.length > 0
      default:
        return mark.y.some((value) => value !== null)
    }
  })
}

function legend({ marks, second }: PlotPanel, columns: number, paint: Paint): string[] {
  const lines: { readonly parts: string[]; length: number }[] = []
  for (const { name, tone = 'ink', second: isSecond } of marks) {
    if (name === '') continue
    const text = cut(isSecond === true && second?.hidden !== true ? `${name} (right)` : name, columns - 2)
    const last = lines.at(-1)
    const needs = text.length + 4
    if (last !== undefined && last.length + needs <= columns) {
      last.parts.push(`${paint('━', tone)} ${text}`)
      last.length += needs
    } else lines.push({ parts: [`${paint('━', tone)} ${text}`], length: needs })
  }
  return lines.map(({ parts }) => parts.join('  '))
}

function grid(
  panel: PlotPanel,
  scales: PanelScales,
  { width, rows, paint }: { readonly width: number; readonly rows: number; readonly paint: Paint },
): string[] {
  const canvas = new Canvas(width, rows)
  for (const mark of panel.marks) drawMark(canvas, mark, scales, { width, rows })
  const labels = new Map<number, string>()
  const { names } = panel.y
  for (const tick of [...scales.y.ticks].reverse()) {
    const row = Math.min(rows - 1, Math.max(0, Math.floor((1 - scales.y.place(tick)) * rows)))
    if (!labels.has(row)) labels.set(row, scales.y.label(tick))
  }
  return [
    ...canvas.lines(paint).map((line, row) => {
      const label = labels.get(row) ?? ''
      const text = names === undefined ? label : cut(label, left - 1)
      return `${text.padStart(left - 1)} ${label === '' ? '│' : '┤'}${line}`
    }),
    `${' '.repeat(left)}└${'─'.repeat(width)}`,
    tickLine(scales, width),
  ]
}

/** Labels below the axis, those that would touch the one before left out. */
function tickLine({ x }: PanelScales, width: number): string {
  let line = ' '.repeat(left + 1)
  let end = 0
  for (const tick of x.ticks) {
    const label = x.label(tick)
    const middle = left + 1 + Math.min(width - 1, Math.floor(x.place(tick) * width))
    const start = Math.min(
      left + 1 + width - label.length,
      Math.max(left + 1, middle - Math.floor((label.length - 1) / 2)),
    )
    if (end > 0 && start < end + 1) continue
    line = `${line.padEnd(start)}${label}`
    end = line.length
  }
  return line
}

function drawMark(
  canvas: Canvas,
  mark: PlotMark,
  scales: PanelScales,
  size: { readonly width: number; readonly rows: number },
): void {
  const tone: Tone = mark.tone ?? 'ink'
  const heights = mark.second === true ? (scales.second ?? scales.y) : scales.y
  switch (mark.mark) {
    case 'point':
      mark.x.forEach((x, i) => {
        const y = mark.y[i] ?? null
        if (y !== null) canvas.dot(scales.x.place(x), heights.place(y), mark.byStep === true ? 'grey' : tone)
      })
      break
    case 'line':
    case 'shape': {
      const points = mark.x.map((x, i) => {
        const y = mark.y[i] ?? null
        return x === null || y === null ? undefined : ([scales.x.place(x), heights.place(y)] as const)
      })
      if (mark.mark === 'shape') points.push(points[0])
      points.forEach((point, i) => {
        const before = points[i - 1]
        if (point === undefined) return
        if (before === undefined) canvas.dot(...point, tone)
        else canvas.line(before, point, tone)
      })
      break
    }
    case 'rule':
      for (const y of mark.y) if (y !== null) canvas.line([0, heights.place(y)], [1, heights.place(y)], tone)
      for (const x of mark.x) canvas.line([scales.x.place(x), 0], [scales.x.place(x), 1], tone)
      break
    case 'area':
      mark.x.forEach((x, i) =>
        canvas.line([scales.x.place(x), 0], [scales.x.place(x), heights.place(mark.y[i]!)], tone),
      )
      break
    case 'bar':
    case 'outline':
      drawBars(canvas, mark, scales, size.width)
      break
    case 'cell':
      drawCells(canvas, mark, scales, size)
      break
    case 'text':
      mark.text.forEach((text, i) =>
        canvas.sign(scales.x.place(mark.x[i]!), heights.place(mark.y[i]!), text.slice(0, 1), tone),
      )
      break
    case 'edge':
      if (mark.edge === 'left' || mark.edge === 'right')
        canvas.sign(mark.edge === 'left' ? 0 : 1, 0.5, mark.edge === 'left' ? '◂' : '▸', tone)
      else
        mark.at.forEach((at, i) =>
          canvas.sign(scales.x.place(at), mark.edge === 'top' ? 1 : 0, signOf(mark.text[i]!), tone),
        )
  }
}

const signOf = (text: string): string => (text === 'NaN' ? '×' : text === 'Infinity' ? '▲' : '▼')

/** The tallest of the bars that fall into a column. */
function drawBars(canvas: Canvas, mark: BarMark, { x, y }: PanelScales, width: number): void {
  const tops = new Array<number>(width).fill(0)
  mark.lengths.forEach((length, i) => {
    if (!(length > 0)) return
    const from = Math.max(0, Math.floor(x.place(mark.edges[i]!) * width + 1e-6))
    const to = Math.max(from + 1, Math.floor(x.place(mark.edges[i + 1]!) * width + 1e-6))
    for (let column = from; column < Math.min(to, width); column++)
      tops[column] = Math.max(tops[column]!, y.place(length))
  })
  if (mark.mark === 'bar') {
    tops.forEach((top, column) => {
      if (top > 0) canvas.column(column, top, mark.tone ?? 'ink')
    })
    return
  }
  const points = tops.flatMap((top, column) => [
    [column / width, top] as const,
    [(column + 1) / width, top] as const,
  ])
  points.forEach((point, i) => {
    if (i > 0) canvas.line(points[i - 1]!, point, mark.tone ?? 'ink')
  })
}

/** The strongest of the cells that fall into a character. */
function drawCells(
  canvas: Canvas,
  mark: CellMark,
  { x, y }: PanelScales,
  { width, rows }: { readonly width: number; readonly rows: number },
): void {
  const shades = new Array<number>(width * rows).fill(0)
  mark.shade.forEach((shade, i) => {
    const [from, to] = [x.place(mark.x[i]!) * width, x.place(mark.x2[i]!) * width]
    const [low, high] = [y.place(mark.y[i]!) * rows, y.place(mark.y2[i]!) * rows]
    for (
      let column = Math.max(0, Math.floor(from + 1e-6));
      column < Math.min(width, Math.max(to - 1e-6, Math.floor(from) + 1));
      column++
    ) {
      for (
        let row = Math.max(0, Math.floor(low + 1e-6));
        row < Math.min(rows, Math.max(high - 1e-6, Math.floor(low) + 1));
        row++
      )
        shades[row * width + column] = Math.max(shades[row * width + column]!, shade)
    }
  })
  shades.forEach((shade, at) => {
    if (shade <= 0) return
    const sign = '░▒▓█'[Math.min(3, Math.floor(shade * 4))]!
    canvas.sign(((at % width) + 0.5) / width, (Math.floor(at / width) + 0.5) / rows, sign, mark.tone ?? 'ink')
  })
}
