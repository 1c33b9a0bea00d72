/** @file A panel of a plot in a few lines of text: its points on a logarithmic axis. */
import type { PlotPanel } from '@beyondgrad/vivit'

const [columns, rows] = [60, 8]

/** The points of a panel, and what its note says. */
export function drawn({ x: xAxis, y: yAxis, marks, note }: PlotPanel, title: string): string {
  const points = marks
    .filter(({ mark }) => mark === 'point')
    .flatMap(({ x, y }) => x.map((at, i) => [at, y[i]!] as const))
    .filter((point): point is readonly [number, number] => point[1] !== null)
  const lines = [`${title}: ${yAxis.label} by ${xAxis.label}`]
  if (points.length > 0) lines.push(...grid(points))
  else lines.push('  nothing to draw')
  return [...lines, ...(note === undefined ? [] : [`  ${note}`])].join('\n')
}

function grid(points: readonly (readonly [number, number])[]): string[] {
  const [first, last] = [points[0]![0], points.at(-1)![0]]
  const heights = points.map(([, y]) => Math.log10(y))
  const lowest = heights.reduce((a, b) => Math.min(a, b))
  const highest = heights.reduce((a, b) => Math.max(a, b))
  const width = Math.min(columns, points.length)
  const cells = Array.from({ length: rows }, () => Array<string>(width).fill(' '))
  points.forEach(([x], i) => {
    const column = place(x, first, last, width)
    const row = rows - 1 - place(heights[i]!, lowest, highest, rows)
    cells[row]![column] = '•'
  })
  const label = (value: number): string => (10 ** value).toExponential(1).padStart(9)
  return [
    ...cells.map((row, i) => {
      const text = i === 0 ? label(highest) : i === rows - 1 ? label(lowest) : ' '.repeat(9)
      return `${text} │${row.join('').trimEnd()}`
    }),
    `${' '.repeat(10)}└${'─'.repeat(width)}`,
    `${' '.repeat(11)}${first}${String(last).padStart(Math.max(0, width - String(first).length))}`,
  ]
}

/** Which of so many places a value between two others has; the last where they are one. */
const place = (value: number, from: number, to: number, count: number): number =>
  to === from ? count - 1 : Math.min(count - 1, Math.floor(((value - from) / (to - from)) * count))
