/** @file Gauges as pictures: well formed, with a mark for each number, and the same for those who can't see them. */
import { beforeAll, describe, expect, it } from 'vitest'
import { type Run } from '../../src/index.ts'
import { headlessDocument, pngOf } from '../../src/node.ts'
import { dashboard, type Plot, renderDashboard, renderGauge, renderPlot, svgText } from '../../src/report.ts'
import { madeRun, trainedRun } from './runs.ts'

let document: Document
let run: Run
beforeAll(async () => {
  document = await headlessDocument()
  run = (await trainedRun()).run
})

const gaugeOf = (of: Run, name: string) =>
  dashboard(of)
    .sections.flatMap(({ gauges }) => gauges)
    .find((gauge) => gauge.name === name)!

/** Every number in it is one. */
function isSound(text: string): void {
  expect(text).not.toMatch(/NaN(?!<|"|:)|undefined|Infinity(?!<)/)
  expect(text).toContain('xmlns="http://www.w3.org/2000/svg"')
}

describe('a gauge', () => {
  it('has a dot for each step, which tells step and value', () => {
    const svg = renderGauge(gaugeOf(run, 'gradient-norm'), { document })
    const dots = [...svg.querySelectorAll('[aria-label="dot"] circle')]
    const titles = dots.map((dot) => dot.querySelector('title')?.textContent ?? '')
    expect(titles.filter((title) => /^step \d: [\d.e−-]+ \(norm\)$/.test(title))).toHaveLength(8)
    expect(svg.querySelector('[aria-label="line"] path')).not.toBeNull()
    expect(svg.getAttribute('role')).toBe('img')
    expect(svg.getAttribute('aria-label')).toContain('Gradient norm. The norm of the gradient')
    isSound(svgText(svg))
  })

  it('has lines that tell their values, without dots to be seen', () => {
    const svg = renderGauge(
      gaugeOf(
        madeRun({ Loss: Array.from({ length: 60 }, (_, i) => i) }, { learningRate: 0.1 }),
        'hyper-parameters',
      ),
      { document },
    )
    const [dots] = svg.querySelectorAll('[aria-label="dot"]')
    expect(dots!.querySelectorAll('title')).toHaveLength(60)
    // By which the style sheet knows to leave them alone.
    expect(dots!.getAttribute('fill-opacity')).toBe('0')
    expect(dots!.getAttribute('stroke')).toBeNull()
  })

  it('has few paths for many cells', () => {
    const svg = renderGauge(gaugeOf(run, 'gradient-history'), { document })
    expect(svg.querySelectorAll('path').length).toBeLessThan(40)
    isSound(svgText(svg))
  })

  it.each([
    [1e-3, /^0 0\.0005 0\.001 0\.0015 0\.002$/],
    [0.1, /^0 0\.05 0\.1 0\.15 0\.2$/],
    [3e-5, /^0 2·10⁻⁵ 4·10⁻⁵ 6·10⁻⁵$/],
    [2.5e-7, /^0 2·10⁻⁷ 4·10⁻⁷ 6·10⁻⁷$/],
  ])('has few ticks for a learning rate that stays at %d', (learningRate, ticks) => {
    const constant = madeRun({ Loss: [3, 2, 1] }, { learningRate })
    const svg = renderGauge(gaugeOf(constant, 'hyper-parameters'), { document })
    const labels = [...svg.querySelectorAll('[aria-label="y-axis tick label"] text')]
    expect(labels.map((label) => label.textContent).join(' ')).toMatch(ticks)
    expect(labels.length).toBeLessThan(7)
  })

  it('has room at the left for the longest label', () => {
    // A digit is about 6.4 wide.
    const close = madeRun({ Loss: [0.0123451, 0.0123452, 0.0123453] })
    const svg = renderGauge(gaugeOf(close, 'performance'), { document })
    const axis = svg.querySelector('[aria-label="y-axis tick label"]')!
    const labels = [...axis.querySelectorAll('text')].map(({ textContent }) => textContent ?? '')
    const longest = Math.max(...labels.map(({ length }) => length))
    expect(longest).toBeGreaterThan(8)
    const ends = [...svg.querySelectorAll('[aria-label="y-axis tick"] path')].map((path) =>
      Number(/translate\((\d+(\.\d+)?)/.exec(path.getAttribute('transform') ?? '')?.[1]),
    )
    expect(Math.min(...ends)).toBeGreaterThan(6.4 * longest)
  })

  it('has panels above each other in line, however long their labels are', () => {
    const histogram = {
      counts: [
        [1, 2],
        [3, 4],
      ],
      edges: [
        [-0.00025, 0, 0.00025],
        [-1, 0, 1],
      ],
    }
    const svg = renderGauge(gaugeOf(madeRun({ GradHist2d: [histogram] }), 'gradient-parameter-histogram'), {
      document,
    })
    const leftmost = (panel: Element | undefined, kind: string, side: string): number =>
      Math.min(...[...panel!.querySelectorAll(kind)].map((each) => Number(each.getAttribute(side))))
    const [main, above] = [...svg.children]
    expect(svg.textContent).toContain('−0.0002')
    expect(leftmost(main, 'line', 'x1')).toBeGreaterThan(46)
    expect(leftmost(above, 'rect', 'x')).toBe(leftmost(main, 'line', 'x1'))
  })

  it('says what is missing in its place', () => {
    const svg = renderGauge(gaugeOf(madeRun({ Loss: [1] }, { absent: { HessTrace: 'too deep' } }), 'trace'), {
      document,
    })
    expect(svg.textContent).toContain('HessTrace: too deep')
    expect(svg.getAttribute('aria-label')).toContain('HessTrace: too deep')
  })

  it('has a sign for what is no number', () => {
    const svg = renderGauge(gaugeOf(madeRun({ Loss: [1, NaN, Infinity, 2] }), 'performance'), { document })
    const texts = [...svg.querySelectorAll('text')].map((text) => text.textContent ?? '')
    expect(texts.join()).toMatch(/×.*▲/)
    expect(texts).toContain('2 of 4 values are not finite')
  })

  it.each([
    ['of one step', madeRun({ Loss: [1], GradNorm: [{ w: 0 }], HessMaxEV: [-1], Alpha: [3], NormTest: [0] })],
    [
      'of nothing but NaN',
      madeRun({ Loss: [NaN], GradNorm: [{ w: NaN }], HessMaxEV: [NaN], NormTest: [NaN] }),
    ],
    ['of no step', { header: undefined, steps: [], notes: [] }],
    ['of values without difference', madeRun({ Loss: [2, 2, 2], GradNorm: [{ w: 0 }, { w: 0 }] })],
    ['of huge and tiny values', madeRun({ Loss: [1e-300, 1e300, -1e300], HessMaxEV: [1e-200, 1e200] })],
  ])('%s is sound', (_, of: Run) => {
    for (const logSteps of [false, true])
      isSound(svgText(renderDashboard(dashboard(of, { logSteps }), { document })))
  })
})

describe('the whole picture', () => {
  it('holds every gauge, and parses', async () => {
    const text = svgText(renderDashboard(dashboard(run, { title: 'A <run> & more' }), { document }))
    isSound(text)
    const { DOMParser } = await import('linkedom')
    const parsed = new DOMParser().parseFromString(text, 'image/svg+xml') as unknown as Document
    const titles = [...parsed.querySelectorAll('text')].map((each) => each.textContent)
    expect(titles[0]).toBe('A <run> & more')
    for (const title of ['STEP SIZE', 'GRADIENTS', 'CURVATURE', 'PERFORMANCE', 'Gradient norm', '0.weight'])
      expect(titles).toContain(title)
  })

  it('is a PNG of its size', async () => {
    const text = svgText(renderDashboard(dashboard(run), { document }))
    const png = await pngOf(text, { scale: 1 })
    expect([...png.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join('')).toBe('PNG')
    const view = new DataView(png.buffer, png.byteOffset)
    expect(view.getUint32(16)).toBe(Number(/width="(\d+)"/.exec(text)![1]))
  })

  it('stays small for a long run', () => {
    const count = 20_000
    const long = madeRun({
      Loss: Array.from({ length: count }, (_, i) => Math.sin(i / 50)),
      GradNorm: Array.from({ length: count }, (_, i) => ({ w: 1 + Math.cos(i) })),
      GradHist1d: Array.from({ length: count }, (_, i) => ({
        counts: [1, 2, 3, 2, 1],
        edges: [-5, -3, -1, 1, 3, 5].map((edge) => edge * (1 + i / count)),
      })),
    })
    expect(svgText(renderDashboard(dashboard(long), { document })).length).toBeLessThan(700_000)
  })
})

describe('other plots', () => {
  it('are drawn as those of a run', () => {
    const plot: Plot = {
      title: 'Spectrum',
      panels: [
        {
          title: '0.weight',
          x: { label: 'rank', scale: 'linear' },
          y: { label: 'eigenvalue', unit: 'loss', scale: 'log' },
          marks: [
            { mark: 'point', name: 'eigenvalues', x: [1, 2, 3], y: [10, null, 0.1] },
            { mark: 'rule', name: 'rounding noise', x: [], y: [1e-6] },
          ],
        },
      ],
    }
    const svg = renderPlot(plot, { document })
    expect(svg.querySelectorAll('circle')).toHaveLength(2)
    expect(svg.textContent).toContain('eigenvalue [loss]')
    isSound(svgText(svg))
  })

  it('need a document', () => {
    expect(() => renderPlot({ title: '', panels: [] })).toThrow('headlessDocument()')
  })
})
