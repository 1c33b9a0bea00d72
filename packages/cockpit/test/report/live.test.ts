/** @file Gauges in a page: drawn when it is time, only where something has changed, and not while nobody looks. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { headlessDocument } from '../../src/node.ts'
import { mountCockpit } from '../../src/report.ts'
import { madeRun } from './runs.ts'

let element: HTMLElement
let document: Document
beforeEach(async () => {
  document = await headlessDocument()
  element = document.createElement('div')
  document.body.append(element)
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const pictures = (): Element[] => [...element.querySelectorAll('figure svg[role=img]')]
const picture = (name: string): Element =>
  pictures().find((svg) => svg.getAttribute('aria-label')!.startsWith(name))!
const hide = (hidden: boolean): void => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
  document.dispatchEvent(new document.defaultView!.Event('visibilitychange'))
}

describe('a mounted cockpit', () => {
  it('draws at once, then as often as it may, and what came last', () => {
    const cockpit = mountCockpit(element, { redrawsPerSecond: 4 })
    cockpit.show(madeRun({ Loss: [1] }))
    vi.advanceTimersByTime(1)
    expect(pictures().length).toBeGreaterThan(10)
    const first = picture('Loss and accuracy')
    cockpit.show(madeRun({ Loss: [1, 2] }))
    cockpit.show(madeRun({ Loss: [1, 2, 3] }))
    vi.advanceTimersByTime(200)
    expect(picture('Loss and accuracy')).toBe(first)
    vi.advanceTimersByTime(60)
    expect(picture('Loss and accuracy').querySelectorAll('[aria-label=dot] circle title')).toHaveLength(6)
  })

  it('leaves alone what has not changed', () => {
    const cockpit = mountCockpit(element)
    cockpit.show(madeRun({ Loss: [1, 2], GradNorm: [{ w: 1 }, { w: 2 }] }))
    vi.advanceTimersByTime(1)
    const [norm, loss, trace] = [picture('Gradient norm.'), picture('Loss'), picture('Trace')]
    cockpit.show(madeRun({ Loss: [1, 3], GradNorm: [{ w: 1 }, { w: 2 }] }))
    vi.advanceTimersByTime(1000)
    expect(picture('Gradient norm.')).toBe(norm)
    expect(picture('Trace')).toBe(trace)
    expect(picture('Loss')).not.toBe(loss)
  })

  it('keeps its figures when a section comes up', () => {
    const cockpit = mountCockpit(element)
    cockpit.show(madeRun({ Loss: [1] }))
    vi.advanceTimersByTime(1)
    const loss = picture('Loss')
    expect(element.textContent).not.toContain('Auxiliary')
    cockpit.show(madeRun({ Loss: [1], CABS: [8] }))
    vi.advanceTimersByTime(1000)
    expect(element.textContent).toContain('Auxiliary')
    expect(picture('Loss')).toBe(loss)
  })

  it('waits while the page is hidden', () => {
    const cockpit = mountCockpit(element)
    hide(true)
    cockpit.show(madeRun({ Loss: [1] }))
    vi.advanceTimersByTime(5000)
    expect(pictures()).toEqual([])
    hide(false)
    vi.advanceTimersByTime(1)
    expect(pictures().length).toBeGreaterThan(10)
  })

  it('names several runs, and goes away', () => {
    const cockpit = mountCockpit(element, { names: ['good', 'bad'] })
    cockpit.show([madeRun({ Loss: [1] }), madeRun({ Loss: [2] })])
    vi.advanceTimersByTime(1)
    expect([...element.querySelectorAll('.runs li')].map((item) => item.textContent)).toEqual([
      '● good',
      '● bad',
    ])
    expect(() => cockpit.show(madeRun({ Loss: [1] }))).toThrow('there are 1 runs, but 2 names')
    cockpit.show([madeRun({ Loss: [1] }), madeRun({ Loss: [3] })])
    cockpit.remove()
    vi.advanceTimersByTime(5000)
    expect(element.childNodes).toHaveLength(0)
  })
})
