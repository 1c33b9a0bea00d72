/** @file A growing run from any pieces of its text is what the whole text says. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRun, RunReader } from '../src/index.ts'
import { formatLine, type RunLine } from '../src/log/run-line.ts'

const header = formatLine({
  kind: 'header',
  version: 1,
  started: '2026-01-01T00:00:00.000Z',
  parameters: [{ name: 'wé', shape: [2] }],
  quantities: ['Loss'],
})

const number = fc.double()
const lines = fc.array(
  fc.oneof(
    // Small steps, in no order: runs that were resumed several times.
    fc.record({
      kind: fc.constant('step' as const),
      step: fc.nat(12),
      time: fc.nat(),
      quantities: fc.record({ Loss: number, GradNorm: fc.dictionary(fc.string({ maxLength: 3 }), number) }),
    }),
    fc.record({
      kind: fc.constant('note' as const),
      step: fc.nat(12),
      time: fc.nat(),
      values: fc.record({ train_accuracy: number }),
    }),
    fc.constant({ kind: 'remark', text: 'of a later version' } as unknown as RunLine),
  ),
  { maxLength: 30 },
)

/** A text in pieces, cut at the given places. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)), text.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => text.slice(at[i], end))
}

describe('a run that grows', () => {
  it('is at every cut what the text so far says', () => {
    fc.assert(
      fc.property(lines, fc.array(fc.nat(5000), { maxLength: 20 }), fc.string(), (made, places, torn) => {
        // The last line may be torn.
        const text = header + made.map((line) => formatLine(line)).join('') + torn.replaceAll('\n', '')
        const reader = new RunReader()
        let before = ''
        for (const piece of cut(text, places)) {
          reader.push(piece)
          before += piece
          expect(reader.run).toEqual(parseRun(before))
        }
        expect(before).toBe(text)
      }),
      { numRuns: 200 },
    )
  })

  it('is empty before its header, and a header alone', () => {
    const reader = new RunReader()
    expect(reader.run).toEqual({ header: undefined, steps: [], notes: [] })
    reader.push(header.slice(0, -1))
    expect(reader.run.header).toBeUndefined()
    reader.push('\n')
    expect(reader.run).toEqual(parseRun(header))
  })

  it('refuses what is no log, with the place, as often as it is asked', () => {
    const reader = new RunReader('a.jsonl')
    reader.push(`${header}{"kind":"step"`)
    expect(() => reader.push(',oops}\n')).toThrow('a.jsonl, line 2: this is no line')
    expect(() => reader.push('\n')).toThrow('a.jsonl, line 2: this is no line')
    expect(() => new RunReader().push('{"kind":"note","step":1,"values":{}}\n')).toThrow(
      'the first line must be the header, not a note',
    )
  })
})
