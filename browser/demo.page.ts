/** @file The page of apps/demo: real digits, real training, and instruments that react to sabotage. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DemoPage, DemoServer } from './demo-page.ts'

const out = mkdtempSync(join(tmpdir(), 'beyondgrad-demo-'))
let server: DemoServer

beforeAll(async () => {
  server = await DemoServer.start(out)
}, 120_000)

afterAll(async () => {
  await server?.stop()
  rmSync(out, { recursive: true, force: true })
})

/** Opens the page for a test, and closes it afterwards. */
async function withPage<T>(query: string, test: (demo: DemoPage) => Promise<T>): Promise<T> {
  const demo = await server.open(query)
  try {
    return await test(demo)
  } finally {
    await demo.page.close()
  }
}

const quick = 'steps=200&pace=1000'

it('trains from a folder of any static server, with files of its own only, and sees nothing wrong', () =>
  withPage(`?${quick}`, async (demo) => {
    expect(await demo.figure('steps')).toBe('0')
    expect(await demo.train()).toBe('finished')
    expect(await demo.figure('steps')).toBe('200')
    expect(Number(await demo.figure('loss'))).toBeLessThan(1.2)
    // Chance is a tenth.
    expect(parseFloat(await demo.figure('accuracy'))).toBeGreaterThan(70)
    const instruments = demo.page.locator('.plots figure')
    await expect
      .poll(() => instruments.filter({ hasText: 'Gradient norm' }).locator('circle').count())
      .toBeGreaterThan(9)
    expect(await instruments.allInnerTexts().then((texts) => texts.join())).toMatch(
      /Step length.*Loss and accuracy/s,
    )
    const severe = (await demo.findings()).filter(({ severity }) => severity !== 'note')
    expect(severe).toEqual([])
    expect(demo.complaints).toEqual([])
    expect(
      demo.fetched.filter((file) => !file.startsWith(server.address) && !file.startsWith('blob:')),
    ).toEqual([])
    expect(demo.fetched.filter((file) => file.endsWith('.wasm'))).toHaveLength(1)
  }))

it('trains the convolutional network on ONNX Runtime, too', () =>
  withPage(`?model=conv&steps=20&pace=1000`, async (demo) => {
    expect(await demo.train()).toBe('finished')
    expect(demo.fetched.filter((file) => /ort-wasm.*wasm$/.test(file))).toHaveLength(1)
    expect(demo.complaints).toEqual([])
  }))

it('takes another learning rate at once, and restarts for another batch size', () =>
  withPage('?steps=30&pace=1000&every=1', async (demo) => {
    const { page } = demo
    await demo.train()
    await page.fill('#learning-rate', '0.02')
    await page.press('#learning-rate', 'Tab')
    expect(await page.evaluate(() => location.search)).toContain('lr=0.02')
    await expect.poll(() => page.innerText('button.main')).toBe('Go on')
    await demo.train()
    const log = await savedLog(demo)
    const rates = new Map(
      log.flatMap(({ step, learningRate }) => (learningRate === undefined ? [] : [[step, learningRate]])),
    )
    expect(rates.get(29)).toBe(0.001)
    expect(rates.get(30)).toBe(0.02)
    expect(await demo.figure('steps')).toBe('60')

    await page.fill('#batchSize', '32')
    await page.press('#batchSize', 'Tab')
    await expect.poll(() => page.innerText('button.main')).toBe('Restart')
    await demo.train()
    expect(await demo.figure('steps')).toBe('30')
    const again = await savedLog(demo)
    expect(again[0]).toMatchObject({ kind: 'header', batchSize: 32 })
    expect(again.find(({ kind }) => kind === 'step')).toMatchObject({ step: 0, learningRate: 0.02 })
  }))

it.each([
  ['rate', 300, 'dead-layer'],
  ['raw', 150, 'badly-scaled-inputs'],
  ['labels', 600, 'wrong-labels'],
  ['sigmoid', 150, 'vanishing-gradients'],
  ['zeros', 150, 'dead-layer'],
])('has a sentence for sabotage: %s', (sabotage, steps, rule) =>
  withPage(`?sabotage=${sabotage}&steps=${steps}&pace=1000`, async (demo) => {
    expect(await demo.train()).toBe('finished')
    await expect.poll(async () => (await demo.findings()).map((each) => each.rule)).toContain(rule)
    if (sabotage === 'labels') {
      const named = demo.page.locator('.digits', { hasText: 'that it names' })
      await named.waitFor()
      // Most of those that it names are those that were made wrong.
      expect(await named.locator('.spoiled').count()).toBeGreaterThan(8)
    }
    expect(demo.complaints).toEqual([])
  }),
)

it('shows a run beside the one before it', () =>
  withPage('?steps=40&pace=1000&every=4', async (demo) => {
    const { page } = demo
    await demo.train()
    await page.click('input[name=raw]')
    await expect.poll(() => page.innerText('button.main')).toBe('Restart')
    await demo.train()
    await page.waitForSelector('.plots .runs')
    expect(await page.innerText('.plots .runs')).toMatch(/this run\s+● the run before/)
    const report = await saved(demo, 'Save report')
    expect(report).toMatch(/^<!doctype html>.*Findings: this run.*Findings: the run before.*<svg/s)
    expect(new URL(page.url()).search).toBe('?every=4&steps=40&pace=1000&sabotage=raw')
    expect(demo.complaints).toEqual([])
  }))

it('goes step by step, and begins anew', () =>
  withPage('', async (demo) => {
    const { page } = demo
    for (const steps of ['1', '2']) {
      await page.click('button:text-is("Step")')
      await page.waitForFunction(
        (wanted) => document.querySelector<HTMLElement>('main')?.dataset.steps === wanted,
        steps,
      )
      await demo.rested()
    }
    await page.click('button:text-is("Reset")')
    await page.waitForFunction(() => document.querySelector<HTMLElement>('main')?.dataset.steps === '0')
    expect(await demo.rested()).toBe('ready')
    expect(page.workers()).toHaveLength(1)
    expect(demo.complaints).toEqual([])
  }))

it('says that a training has diverged, and can be restarted', () =>
  withPage('?optimizer=sgd&lr=1.7&sabotage=rate&every=2', async (demo) => {
    expect(await demo.train()).toBe('diverged')
    expect(await demo.page.innerText('.phase')).toContain('no number')
    expect((await demo.findings()).map(({ rule }) => rule)).toContain('diverged')
    await demo.page.click('button:text-is("Reset")')
    await demo.page.waitForFunction(() => document.querySelector<HTMLElement>('main')?.dataset.steps === '0')
    expect(await demo.rested()).toBe('ready')
  }))

it.each([
  ['**/digits/*', /digits cannot be fetched/],
  ['**/*.wasm', /wasm/],
  ['**/worker-*.js', /worker did not start/],
])('says what is missing where %s is not there, and goes on once it is', (files, sentence) =>
  withPage('?steps=10', async (demo) => {
    const { page } = demo
    await page.route(files, (route) => route.abort())
    await page.reload()
    expect(await demo.rested()).toBe('failed')
    expect(await page.innerText('.phase')).toMatch(sentence)
    expect(page.workers()).toHaveLength(0)
    await page.unroute(files)
    expect(await demo.train()).toBe('finished')
  }),
)

interface LogLine {
  readonly kind: string
  readonly step: number
  readonly learningRate?: number
}

/** What a button saves. */
async function saved({ page }: DemoPage, button: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`text=${button}`)])
  return readFileSync(await download.path(), 'utf8')
}

/** What "Save run.jsonl" saves. */
async function savedLog(demo: DemoPage): Promise<readonly LogLine[]> {
  const lines = (await saved(demo, 'Save run.jsonl')).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as LogLine)
}
