/** @file The log of a run: what is written, what a process that dies leaves, and what is read of it. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { inAll, parseRun, seriesOf } from '../src/index.ts'
import { runLog } from '../src/log/run-log.ts'
import { openRunFile, readRun } from '../src/node.ts'
import { isWhole, killedAfter } from './kill.ts'

const scratch = mkdtempSync(join(tmpdir(), 'run-log-'))
afterAll(() => rmSync(scratch, { recursive: true }))
let folders = 0
const folder = (): string => join(scratch, String(folders++))

const header = { parameters: [{ name: 'w', shape: [2] }], quantities: ['Loss', 'Alpha'] }

/** A log of three steps. */
function logged(at: string = folder()): string {
  const log = runLog(openRunFile(at))
  log.begin(header)
  log.step({ step: 0, time: 0.1, quantities: { Loss: NaN, GradNorm: { w: Infinity } } })
  log.step({ step: 1, time: 0.2, quantities: { Loss: -Infinity }, absent: { NormTest: 'batch size 1' } })
  log.note(1, { trainAccuracy: 0.5 })
  log.step({ step: 2, time: 0.3, quantities: { Loss: 0.25, GradNorm: { w: 3, b: 4 } } })
  log.close()
  return at
}

describe('the log of a run', () => {
  it('has a header, and a line a step, with names for numbers that JSON lacks', () => {
    const lines = readFileSync(join(logged(), 'run.jsonl'), 'utf8').split('\n')
    expect(JSON.parse(lines[0]!)).toMatchObject({ kind: 'header', version: 1, ...header })
    expect(JSON.parse(lines[1]!)).toEqual({
      kind: 'step',
      step: 0,
      time: 0.1,
      quantities: { Loss: 'NaN', GradNorm: { w: 'Infinity' } },
    })
    expect(lines.at(-1)).toBe('')
  })

  it('is read as numbers, with reasons and notes', () => {
    const run = readRun(logged())
    expect(seriesOf(run, 'Loss')).toEqual({ steps: [0, 1, 2], values: [NaN, -Infinity, 0.25] })
    expect(run.steps[1]!.absent).toEqual({ NormTest: 'batch size 1' })
    expect(run.notes[0]!.values).toEqual({ trainAccuracy: 0.5 })
    const norms = seriesOf<Record<string, number>>(run, 'GradNorm').values
    expect(inAll(norms[1]!, 'norm')).toBe(5)
    expect(inAll(norms[1]!, 'sum')).toBe(7)
  })

  it('opens wherever it was cut off, and has every line that is whole', () => {
    const bytes = readFileSync(join(logged(), 'run.jsonl'))
    for (let length = 0; length <= bytes.length; length++) {
      const text = bytes.subarray(0, length).toString('utf8')
      const whole = text
        .split('\n')
        .filter((line, i, all) => i < all.length - 1 && line.includes('"kind":"step"'))
      expect(parseRun(text).steps.length).toBe(whole.length)
    }
  })

  it('goes on after a cut, and what was done again counts', () => {
    const at = logged()
    const file = join(at, 'run.jsonl')
    appendFileSync(file, '{"kind":"step","step":3,"ti')
    const log = runLog(openRunFile(at, { resume: true }))
    expect(log.time()).toBeGreaterThanOrEqual(0.3)
    log.begin({ ...header, quantities: [] })
    log.step({ step: 2, time: 0.4, quantities: { Loss: 7 } })
    log.step({ step: 3, time: 0.5, quantities: { Loss: 8 } })
    log.close()
    const run = readRun(at)
    expect(seriesOf(run, 'Loss').values.slice(1)).toEqual([-Infinity, 7, 8])
    expect(run.header!.quantities).toEqual(header.quantities)
  })

  it('keeps a step that waits for the next one', () => {
    const at = folder()
    const sink = openRunFile(at)
    const log = runLog(sink)
    log.begin(header)
    log.step({ step: 0, time: 0, quantities: { Loss: 1 } })
    log.wait({ step: 1, time: 1, quantities: { Loss: 2 } })
    expect(readRun(at).steps.map(({ step }) => step)).toEqual([0, 1])
    log.step({ step: 1, time: 1, quantities: { Loss: 2, Alpha: 0.5 } })
    expect(seriesOf(readRun(at), 'Alpha')).toEqual({ steps: [1], values: [0.5] })
    log.wait({ step: 2, time: 2, quantities: { Loss: 3 } })
    // As if the process had died here: whoever goes on has the step in the log.
    openRunFile(at, { resume: true }).close()
    expect(readFileSync(join(at, 'run.jsonl'), 'utf8')).toContain('"step":2')
    expect(existsSync(join(at, 'unfinished.jsonl'))).toBe(false)
  })

  it('keeps notes of before the first step until the header is written', () => {
    const at = folder()
    const log = runLog(openRunFile(at))
    log.note(0, { valid_loss: 2.3 })
    log.note(0, { valid_accuracy: 0.1 })
    expect(readRun(at)).toEqual({ header: undefined, steps: [], notes: [] })
    log.begin(header)
    log.step({ step: 0, time: 0, quantities: { Loss: 1 } })
    log.note(1, { valid_loss: 2 })
    log.close()
    const run = readRun(at)
    expect(run.header).toMatchObject(header)
    expect(run.notes.map(({ step, values }) => [step, values])).toEqual([
      [0, { valid_loss: 2.3 }],
      [0, { valid_accuracy: 0.1 }],
      [1, { valid_loss: 2 }],
    ])
  })

  it('takes away a run without a step, noted or not, so that its folder is free again', () => {
    const at = folder()
    const log = runLog(openRunFile(at))
    log.note(0, { valid_loss: 2.3 })
    log.close()
    expect(existsSync(join(at, 'run.jsonl'))).toBe(false)
    expect(logged(at)).toBe(at)
  })

  it('refuses a folder with a run, and takes away one without a step', () => {
    const at = logged()
    expect(() => openRunFile(at)).toThrow(/there is a run in it already: .*resume/)
    const empty = folder()
    openRunFile(empty).close()
    expect(existsSync(join(empty, 'run.jsonl'))).toBe(false)
    expect(() => readRun(empty)).toThrow(/cannot be read/)
  })

  it.each(['{"kind":"step"}', '[]', 'null', '3', '{"kind":"header","version":2}', 'not JSON'])(
    'says where a line is none: %s',
    (line) => {
      const at = logged()
      writeFileSync(join(at, 'run.jsonl'), `${readFileSync(join(at, 'run.jsonl'), 'utf8')}${line}\n`)
      expect(() => readRun(at)).toThrow(/line 6: (this is no line|the log is of version 2)/)
    },
  )

  it('lets kinds of lines pass that it does not know', () => {
    const text = readFileSync(join(logged(), 'run.jsonl'), 'utf8')
    expect(parseRun(`${text}{"kind":"later"}\n`).steps).toHaveLength(3)
  })

  it('survives processes that are killed at random', { timeout: 120_000 }, async () => {
    for (let round = 0; round < 10; round++) {
      const all = await Promise.all([0, 1, 2].map(() => killedAfter(Math.random() * 20)))
      for (const remains of all) expect(isWhole(remains), JSON.stringify(remains).slice(0, 200)).toBe(true)
    }
  })
})
