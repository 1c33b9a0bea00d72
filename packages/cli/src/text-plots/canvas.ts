/** @file A picture of characters: dots as Braille, eight to a character, and signs; each with a colour. */
import type { Tone } from '@beyondgrad/cockpit/report'

interface Cell {
  /** Bits of the Braille pattern. */
  dots: number
  /** What is there in place of dots. */
  sign: string
  tone: Tone
}

/** Paints a text in a tone. */
export type Paint = (text: string, tone: Tone | 'strong') => string

/** The bit of each dot: rows from the top, left and right. */
const bits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const

/** Places run from 0 to 1, to the right and upwards; what is outside is not drawn. */
export class Canvas {
  private readonly columns: number
  private readonly rows: number
  private readonly cells: Cell[]

  constructor(columns: number, rows: number) {
    this.columns = columns
    this.rows = rows
    this.cells = Array.from({ length: columns * rows }, () => ({ dots: 0, sign: '', tone: 'ink' }))
  }

  dot(x: number, y: number, tone: Tone): void {
    this.at(this.dotOf(x, 2 * this.columns), this.dotOf(1 - y, 4 * this.rows), tone)
  }

  line(from: readonly [number, number], to: readonly [number, number], tone: Tone): void {
    const ends = [from, to].map(
      ([x, y]) => [x * (2 * this.columns - 1), (1 - y) * (4 * this.rows - 1)] as const,
    )
    const [[x0, y0], [x1, y1]] = ends as [readonly [number, number], readonly [number, number]]
    // No line is longer than the picture, whatever its ends are.
    const steps =
      Math.min(
        4 * (this.columns + this.rows) * 2,
        Math.ceil(Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0))),
      ) || 1
    for (let i = 0; i <= steps; i++) {
      this.at(Math.round(x0 + ((x1 - x0) * i) / steps), Math.round(y0 + ((y1 - y0) * i) / steps), tone)
    }
  }

  sign(x: number, y: number, sign: string, tone: Tone): void {
    const cell = this.cellAt(this.dotOf(x, this.columns), this.dotOf(1 - y, this.rows))
    if (cell !== undefined) Object.assign(cell, { sign, tone })
  }

  /** Fills a column up to a height, from the bottom, in eighths of a character. */
  column(at: number, height: number, tone: Tone): void {
    const eighths = Math.round(Math.min(1, Math.max(0, height)) * this.rows * 8)
    for (let row = 0; row < this.rows && row * 8 < eighths; row++) {
      const cell = this.cellAt(at, this.rows - 1 - row)
      if (cell !== undefined)
        Object.assign(cell, { sign: '▁▂▃▄▅▆▇█'[Math.min(8, eighths - row * 8) - 1]!, tone })
    }
  }

  /** Lines of text, painted, without what is empty at their ends. */
  lines(paint: Paint): string[] {
    return Array.from({ length: this.rows }, (_, row) => {
      const cells = this.cells.slice(row * this.columns, (row + 1) * this.columns)
      const last = cells.findLastIndex(({ dots, sign }) => dots > 0 || sign !== '')
      const runs: { text: string; tone: Tone }[] = []
      for (const { dots, sign, tone } of cells.slice(0, last + 1)) {
        const text = sign !== '' ? sign : dots === 0 ? ' ' : String.fromCharCode(0x2800 + dots)
        const run = runs.at(-1)
        // What is empty goes with anything: a change of colour is longer than what it colours.
        if (run !== undefined && (text === ' ' || run.tone === tone)) run.text += text
        else runs.push({ text, tone })
      }
      return runs.map(({ text, tone }) => paint(text, tone)).join('')
    })
  }

  private dotOf(share: number, count: number): number {
    if (!(share >= -1e-9 && share <= 1 + 1e-9)) return -1
    return Math.min(count - 1, Math.max(0, Math.floor(share * count)))
  }

  private at(x: number, y: number, tone: Tone): void {
    const cell = this.cellAt(x >> 1, y >> 2)
    if (cell === undefined || x < 0 || y < 0) return
    cell.dots |= bits[y & 3]![x & 1]!
    cell.tone = tone
  }

  private cellAt(column: number, row: number): Cell | undefined {
    const isInside = column >= 0 && column < this.columns && row >= 0 && row < this.rows
    return isInside ? this.cells[row * this.columns + column] : undefined
  }
}
