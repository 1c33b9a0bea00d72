/** @file The report: one file that needs nothing else, with what the run was, what was found, and what could not be measured. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { Finding, Run } from '../../src/index.ts'
import { headlessDocument } from '../../src/node.ts'
import { reportHtml } from '../../src/report.ts'
import { madeRun, trainedRun } from './runs.ts'

let document: Document
let run: Run
beforeAll(async () => {
  document = await headlessDocument()
  run = (await trainedRun()).run
})

async function parsed(text: string): Promise<Document> {
  const { parseHTML } = await import('linkedom')
  return parseHTML(text).document
}

const finding: Finding = {
  rule: 'too-large',
  severity: 'warning',
  sentence: 'Steps are <too> long.',
  advice: 'Shorten them.',
  evidence: [{ quantity: 'Alpha', of: 'median', value: 0.75, threshold: 0.5, values: 40 }],
  strength: 1.5,
  steps: [3, 7],
  source: 'section 5',
}

describe('the report of a run', () => {
  it('fetches nothing and runs nothing', () => {
    const text = reportHtml(run, { document })
    expect(text).not.toMatch(/(src|href)="|url\(|@import|<script|<link/i)
    expect(text.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:/)
    expect(text).toMatch(/^<!doctype html>\n<html lang="en">/)
    expect(text).toContain('prefers-color-scheme: dark')
  })

  it('says what the run was, and has every gauge with a name', async () => {
    const page = await parsed(reportHtml(run, { document, title: 'A & <b>' }))
    expect(page.querySelector('h1')!.textContent).toBe('A & <b>')
    expect(page.title).toBe('A & <b>')
    const facts = Object.fromEntries(
      [...page.querySelectorAll('dt')].map((term) => [
        term.textContent,
        term.nextElementSibling!.textContent,
      ]),
    )
    expect(facts).toMatchObject({
      model: 'small',
      optimiser: 'sgd, lr 0.1',
      'batch size': '3',
      parameters: '26 in 4 tensors',
      engine: 'reference',
      steps: '8 logged, 0 to 7',
    })
    const pictures = [...page.querySelectorAll('figure > svg')]
    expect(pictures).toHaveLength(17)
    for (const svg of pictures) expect(svg.getAttribute('aria-label')).toMatch(/\S\. \w+/)
  })

  it('has findings on top, each with what it rests on', async () => {
    const page = await parsed(reportHtml(run, { document, findings: [[finding]] }))
    const [item] = page.querySelectorAll('.findings li')
    expect(item!.className).toBe('warning')
    expect(item!.querySelector('p')!.textContent).toBe('Steps are <too> long.')
    expect(item!.querySelector('small')!.textContent).toBe(
      'steps 3 to 7 · median of Alpha 0.75, threshold 0.5, 40 values · section 5',
    )
  })

  it('diagnoses by itself', async () => {
    const bad = madeRun({ Loss: [1, 2, NaN, NaN, NaN, NaN], GradNorm: [{ w: 1 }, { w: 1e9 }, { w: NaN }] })
    const page = await parsed(reportHtml(bad, { document }))
    expect(page.querySelectorAll('.findings li.error').length).toBeGreaterThan(0)
    const none = await parsed(reportHtml(bad, { document, findings: [[]] }))
    expect(none.body.textContent).toContain('Nothing stands out')
  })

  it('lists what was absent and why', async () => {
    const absent = { NormTest: 'batch size 1' }
    const page = await parsed(
      reportHtml([run, madeRun({ Loss: [1, 2] }, { absent })], { document, names: ['a', 'b'] }),
    )
    const rows = [...page.querySelectorAll('.absent tr')].map((row) =>
      [...row.children].map((cell) => cell.textContent),
    )
    expect(rows[0]).toEqual(['run', 'quantity', 'why', 'where'])
    expect(rows).toContainEqual(['b', 'NormTest', 'batch size 1', '2 steps, 0 to 1'])
  })
})
