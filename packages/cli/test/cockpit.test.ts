/** @file `beyondgrad cockpit`: as text, as files, as JSON; what is no run; a run that grows. */
import { formatNpz } from '@beyondgrad/io'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CockpitDocument } from '../src/cockpit/cockpit.ts'
import { watch } from '../src/cockpit/live.ts'
import { followRun, namesOf } from '../src/cockpit/runs.ts'
import type { Screen } from '../src/terminal.ts'
import { documentOf, network, run, scratch } from './fixtures.ts'

const path = scratch()

beforeAll(async () => {
  const points = Float32Array.from({ length: 240 }, (_, i) => Math.sin(7 * i))
  const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3)
  const data = {
    x: { shape: [60, 4], dtype: 'float32', data: points },
    y: { shape: [60], dtype: 'int32', data: labels },
  } as const
  writeFileSync(path('data.npz'), formatNpz(data))
  const words = ['train', network, '--data', path('data.npz'), '--loss', 'cross-entropy']
  const watched = ['--engine', 'reference', '--steps', '30', '--batch-size', '20', '--cockpit', 'full']
  await run(...words, ...watched, '--lr', '0.1', '--log', path('first'))
  await run(...words, ...watched, '--lr', '0.2', '--log', path('second'))
})

describe('beyondgrad cockpit', () => {
  it('draws the gauges as text that fits into 80 columns', async () => {
    const { status, stdout, complaints } = await run('cockpit', path('first'))
    expect([status, complaints]).toEqual([0, []])
    for (const title of ['Loss', 'Step length α', 'Gradient norm', 'Gradient tests', 'Largest eigenvalue'])
      expect(stdout).toContain(title)
    expect(stdout).toMatch(/[\u2801-\u28ff]/)
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  it('shows two runs beside each other, by the names of their folders', async () => {
    const { stdout } = await run('cockpit', path('first'), path('second/run.jsonl'))
    expect(stdout).toContain('first and second')
    expect(stdout).toMatch(/━ first .*━ second/)
  })

  it.each(['html', 'svg', 'png'])('writes a file: .%s', async (extension) => {
    const out = path(`picture.${extension}`)
    const { status, stdout, complaints } = await run(
      'cockpit',
      path('first'),
      '--out',
      out,
      '--title',
      'T & Q < 1',
    )
    expect([status, stdout, complaints]).toEqual([0, `see ${out}`, []])
    const bytes = readFileSync(out)
    if (extension === 'png') expect([...bytes.subarray(1, 4)]).toEqual([...Buffer.from('PNG')])
    else expect(bytes.toString()).toContain('T &amp; Q &lt; 1')
    if (extension === 'html') expect(bytes.toString()).not.toMatch(/(src|href)="?http/)
  })

  it('prints what was found, and on what evidence', async () => {
    const { runs } = await documentOf<CockpitDocument>('cockpit', path('first'), '--until', '19')
    expect(runs).toHaveLength(1)
    expect(runs[0]).toMatchObject({ name: 'first', steps: { logged: 20, first: 0, last: 19 } })
    expect(runs[0]!.quantities).toContain('HessTrace')
  })

  it('writes numbers that JSON lacks by their names', async () => {
    mkdirSync(path('lost'))
    const lines = [
      { kind: 'header', version: 1, started: '', parameters: [], quantities: ['Loss'] },
      ...Array.from({ length: 20 }, (_, step) => ({
        kind: 'step',
        step,
        time: step,
        quantities: { Loss: step < 10 ? 2 : 'NaN' },
      })),
    ]
    writeFileSync(path('lost/run.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const { stdout } = await run('cockpit', path('lost'), '--json')
    expect(stdout).not.toContain('null')
    const { runs } = JSON.parse(stdout) as CockpitDocument
    expect(runs[0]!.findings[0]).toMatchObject({ rule: 'diverged', severity: 'error' })
    expect((await run('cockpit', path('lost'))).stdout).toContain('error: ')
  })

  it('reads the files of the Python library', async () => {
    writeFileSync(
      path('theirs.json'),
      JSON.stringify({ '0': { Loss: 1.5, GradNorm: [1, 2] }, '1': { Loss: 1 } }),
    )
    const { runs } = await documentOf<CockpitDocument>('cockpit', path('theirs.json'))
    expect(runs[0]).toMatchObject({ name: 'theirs', steps: { logged: 2 } })
  })

  it.each<[string, number, string, readonly string[]]>([
    ['no such folder', 1, 'nowhere', ['nowhere']],
    ['no log', 1, 'no line of a run', ['garbage']],
    ['an unknown extension', 2, '.html, .svg or .png', ['first', '--out', 'x.pdf']],
    ['a file that nobody would see', 2, 'leave out --out', ['first', '--live', '--out', 'x.svg']],
    ['JSON that never ends', 2, 'leave out --json', ['first', '--live', '--json']],
  ])('refuses %s', async (_what, status, message, [place, ...more]) => {
    mkdirSync(path('garbage'), { recursive: true })
    writeFileSync(path('garbage/run.jsonl'), 'hello\n')
    const result = await run('cockpit', path(place!), ...more)
    expect(result.status).toBe(status)
    expect(result.complaints.join()).toContain(message)
    expect(result.complaints).toHaveLength(1)
  })

  it('says that a run without a step has none', async () => {
    mkdirSync(path('empty'), { recursive: true })
    writeFileSync(path('empty/run.jsonl'), '')
    const { status, stdout } = await run('cockpit', path('empty'))
    expect(status).toBe(0)
    expect(stdout).toContain('none logged yet')
  })
})

describe('a run that goes on', () => {
  const text = (): string => readFileSync(path('first/run.jsonl'), 'utf8')

  it('is read as it grows, from before it begins, over pieces of characters, and anew when it was cut', () => {
    const bytes = Buffer.from(text())
    const followed = followRun(path('growing'))
    expect(followed.readOn()).toBe(false)
    mkdirSync(path('growing'))
    const file = path('growing/run.jsonl')
    writeFileSync(file, '')
    for (let at = 0; at < bytes.length; at += 4001) {
      appendFileSync(file, bytes.subarray(at, at + 4001))
      expect(followed.readOn()).toBe(true)
    }
    expect(followed.readOn()).toBe(false)
    expect(followed.run.steps).toHaveLength(30)
    writeFileSync(file, text().split('\n').slice(0, 6).join('\n'))
    expect(followed.readOn()).toBe(true)
    expect(followed.run.steps).toHaveLength(4)
  })

  it('is read anew where a resumed run has cut off a line and written more than that', () => {
    const lines = text().split('\n')
    mkdirSync(path('resumed'))
    const file = path('resumed/run.jsonl')
    writeFileSync(file, `${lines.slice(0, 4).join('\n')}\n{"kind":"step","step":3,"time":9,"qua`)
    const followed = followRun(path('resumed'))
    expect(followed.readOn()).toBe(true)
    expect(followed.run.steps).toHaveLength(3)
    writeFileSync(file, `${lines.slice(0, 9).join('\n')}\n`)
    expect(followed.readOn()).toBe(true)
    expect(followed.run.steps).toHaveLength(8)
    writeFileSync(file, `${lines.slice(0, 9).join('\n')}\nthis is no log, however often it is read\n`)
    expect(() => followed.readOn()).toThrow('line 10')
  })

  it('is drawn again when it has grown, until somebody stops it', async () => {
    const stop = new AbortController()
    const drawn: string[] = []
    let isDone = false
    const screen: Screen = {
      columns: 100,
      rows: 40,
      hasColours: true,
      stopped: stop.signal,
      redraw: (picture) => {
        drawn.push(picture)
        if (drawn.length === 1) {
          mkdirSync(path('watched'))
          writeFileSync(path('watched/run.jsonl'), text())
        } else stop.abort()
      },
      done: () => (isDone = true),
    }
    await watch([path('watched')], { names: ['watched'] }, screen)
    expect(drawn[0]).toContain('waiting for the first step')
    expect(drawn[1]).toContain('30 logged')
    expect(drawn[1]!.split('\n').length).toBeLessThanOrEqual(40)
    expect(isDone).toBe(true)
  })

  it('has a name that tells it from others', () => {
    expect(namesOf(['runs/a', 'runs/b/run.jsonl'])).toEqual(['a', 'b'])
    expect(namesOf(['x/a', 'y/a'])).toEqual(['x/a', 'y/a'])
  })
})
