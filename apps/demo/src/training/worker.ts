/** @file The worker: trains while the page stays free, and reports what it does. */
import { engineNamed } from './engines.ts'
import { fetchDigits } from './digits.ts'
import { Loop } from './loop.ts'
import type { Order, Report } from './messages.ts'
import { Training } from './training.ts'

const tell = (report: Report): void => self.postMessage(report)

async function open({ settings, digits }: Order & { readonly kind: 'open' }): Promise<Loop> {
  const [engine, train, test] = await Promise.all([
    engineNamed(settings.engine),
    fetchDigits(digits, 'train'),
    fetchDigits(digits, 'test'),
  ])
  let log = ''
  const training = await Training.open(settings, { train, test }, engine, {
    append: (line) => (log += line),
    wait: () => undefined,
    close: () => undefined,
  })
  const takeLog = (): string => {
    const lines = log
    log = ''
    return lines
  }
  const loop = new Loop(training, settings.pace, takeLog, tell)
  await loop.begin()
  return loop
}

let loop: Promise<Loop> | undefined

async function obey(order: Order): Promise<void> {
  if (order.kind === 'open') await (loop = open(order))
  else await (await loop)?.obey(order)
}

self.onmessage = ({ data }: MessageEvent<Order>): void => {
  obey(data).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    tell({ kind: 'failed', sentence: `The training stopped: ${message}.` })
  })
}
