/** @file Panels as text: where marks come to lie, and what there is no place for. */
import type { PlotMark, PlotPanel } from '@beyondgrad/cockpit/report'
import { describe, expect, it } from 'vitest'
import { beside, wrapped } from '../src/text-plots/lines.ts'
import { panelText } from '../src/text-plots/panel.ts'

const size = { columns: 40, rows: 4 }

function panel(marks: readonly PlotMark[], more: Partial<PlotPanel> = {}): PlotPanel {
  return {
    title: 't',
    x: { label: 'step', scale: 'linear', range: [0, 10] },
    y: { label: 'loss', scale: 'linear', range: [0, 4] },
    marks,
    ...more,
  }
}

/** Rows of the plot alone, from the top. */
const plotOf = (lines: readonly string[]): string[] =>
  lines.filter((line) => /[┤│]/.test(line)).map((line) => line.replace(/^.*?[┤│]/, ''))

describe('a panel as text', () => {
  it('has a line of points from the lower left to the upper right', () => {
    const rows = plotOf(panelText(panel([{ mark: 'line', name: '', x: [0, 10], y: [0, 4] }]), size))
    expect(rows).toHaveLength(4)
    const starts = rows.map((row) => row.search(/[^ ]/))
    expect(starts).toEqual([...starts].sort((a, b) => b - a))
    expect(starts.at(-1)).toBe(0)
  })

  it('has bars as high as they are long', () => {
    const marks: PlotMark[] = [{ mark: 'bar', name: '', edges: [0, 5, 10], lengths: [2, 4] }]
    const rows = plotOf(panelText(panel(marks), size))
    const heights = [2, 20].map((column) => rows.filter((row) => (row[column] ?? ' ') !== ' ').length)
    expect(heights).toEqual([2, 4])
  })

  it('interrupts a line where there is nothing, and marks what is no number at its edge', () => {
    const marks: PlotMark[] = [
      { mark: 'line', name: 'a', x: [0, 5, 10], y: [1, null, 1] },
      { mark: 'edge', name: '', edge: 'top', at: [5], text: ['NaN'] },
    ]
    const rows = plotOf(panelText(panel(marks), size))
    expect(rows[0]).toMatch(/^ +×$/)
    expect(rows.slice(1).join('').replaceAll(' ', '')).toHaveLength(2)
  })

  it('says that there is nothing to draw, and what the note says', () => {
    const lines = panelText(panel([], { note: '3 of 200 values are not finite' }), size)
    expect(lines).toEqual(['t: loss by step', '  nothing to draw', '  3 of 200 values are not finite'])
  })

  it('is never wider than it may be', () => {
    const name = 'a name that is longer than the panel is wide, and longer'
    const marks: PlotMark[] = [{ mark: 'point', name, x: [0, 10], y: [0, 4] }]
    for (const columns of [24, 40, 80]) {
      const lines = panelText(panel(marks, { title: name, note: name }), { columns, rows: 4 })
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
    }
  })
})

describe('lines', () => {
  it('break at spaces', () => {
    expect(wrapped('one two three', 7)).toEqual(['one two', 'three'])
  })

  it('stand beside each other, whatever colours they have', () => {
    expect(beside([['\u001b[1mab\u001b[22m'], ['c', 'd']], 3, 1)).toEqual([
      '\u001b[1mab\u001b[22m  c',
      '    d',
    ])
  })
})
