/** @file Gauges as data: what they show of a run, what they say of what is missing, and what is no number. */
import { beforeAll, describe, expect, it } from 'vitest'
import { parseCockpit, type Run } from '../../src/index.ts'
import {
  dashboard,
  type DashboardGauge,
  type DashboardOptions,
  type PlotMark,
  type PlotPanel,
} from '../../src/report.ts'
import { goldenNames, goldenOf } from '../golden-run.ts'
import { madeRun, trainedRun } from './runs.ts'

let run: Run
beforeAll(async () => {
  run = (await trainedRun()).run
})

function gaugesOf(runs: Run | readonly Run[], options?: DashboardOptions): Map<string, DashboardGauge> {
  const { sections } = dashboard(runs, options)
  return new Map(sections.flatMap(({ gauges }) => gauges.map((gauge) => [gauge.name, gauge] as const)))
}

/** The panels of a gauge that has some. */
function panels(name: string, of: Run | readonly Run[], options?: DashboardOptions): readonly PlotPanel[] {
  const gauge = gaugesOf(of, options).get(name)!
  expect(gauge.missing).toEqual([])
  expect(gauge.panels.length).toBeGreaterThan(0)
  return gauge.panels.map(({ panel }) => panel)
}

type MarkOf<K extends PlotMark['mark']> = PlotMark & { readonly mark: K }

function marked<K extends PlotMark['mark']>(panel: PlotPanel, mark: K): MarkOf<K>[] {
  return panel.marks.filter((one): one is MarkOf<K> => one.mark === mark)
}

describe('the dashboard of a run', () => {
  it('has every gauge in its section, with nothing missing, and survives JSON', () => {
    const board = dashboard(run)
    expect(board.sections.map(({ title, gauges }) => [title, gauges.map(({ name }) => name)])).toEqual([
      ['Step size', ['alpha', 'distance', 'gradient-norm']],
      ['Gradients', ['gradient-tests', 'gradient-histogram', 'gradient-parameter-histogram']],
      ['Curvature', ['max-eigenvalue', 'trace', 'tic']],
      ['Performance', ['hyper-parameters', 'performance']],
      ['Gradients over time', ['gradient-history']],
      ['Auxiliary', ['mean-gsnr', 'cabs', 'early-stopping']],
      ['Layers', ['gradient-norm-layers', 'gradient-parameter-histogram-layers']],
    ])
    expect(JSON.parse(JSON.stringify(board))).toEqual(board)
    for (const gauge of gaugesOf(run).values()) expect(gauge.missing).toEqual([])
  })

  it('shows the numbers of the log', () => {
    const [norm] = panels('gradient-norm', run)
    const values = run.steps.map(({ quantities }) =>
      Math.hypot(...Object.values(quantities.GradNorm as Record<string, number>)),
    )
    const [points] = marked(norm!, 'point')
    expect(points).toMatchObject({ x: [0, 1, 2, 3, 4, 5, 6, 7], y: values, byStep: true })
    const [average] = marked(norm!, 'line')
    expect(average!.y[0]).toBe(values[0])
    expect(average!.y[1]).toBeCloseTo(0.8 * values[0]! + 0.2 * values[1]!, 12)
    expect(norm!.note).toBeUndefined()
    const [trace] = panels('trace', run)
    const first = run.steps[0]!.quantities.HessTrace as Record<string, number>
    expect(marked(trace!, 'point')[0]!.y[0]).toBe(Object.values(first).reduce((a, b) => a + b))
  })

  it('has the bound of the learning rate beside the eigenvalue, and the sign of that', () => {
    const [panel] = panels('max-eigenvalue', madeRun({ HessMaxEV: [4, -2, 0] }, { learningRate: 0.5 }))
    expect(marked(panel!, 'point')).toMatchObject([
      { name: 'positive', x: [0], y: [4] },
      { name: 'negative', symbol: 'ring', x: [1], y: [2] },
    ])
    expect(marked(panel!, 'line')).toMatchObject([{ name: '2/learning rate', y: [4, 4, 4], dashed: true }])
    expect(panel!.note).toBe('1 of 3 values is zero')
    expect(panel!.y.scale).toBe('log')
  })

  it('draws either form of the criterion alone, or both on two axes', () => {
    for (const name of ['TICDiag', 'TICTrace']) {
      const [panel] = panels('tic', madeRun({ [name]: [1, 2, 3] }))
      expect(marked(panel!, 'point')[0]!.y).toEqual([1, 2, 3])
      expect(panel!.second).toBeUndefined()
    }
    const [both] = panels('tic', madeRun({ TICDiag: [1, 2], TICTrace: [-100, 300] }))
    expect(both!.second!.label).toBe('TICTrace')
    expect(marked(both!, 'point').map(({ second = false, y }) => [second, y])).toEqual([
      [false, [1, 2]],
      [true, [-100, 300]],
    ])
  })

  it('counts all entries of a histogram over time, whatever its edges are', () => {
    const histograms = [
      { counts: [1, 2, 3, 4], edges: [-1, -0.5, 0, 0.5, 1], outside: [0, 1], notFinite: 2 },
      { counts: [10, 20], edges: [-0.1, 0, 0.1], outside: [0, 0], notFinite: 0 },
    ]
    const [history] = panels('gradient-history', madeRun({ GradHist1d: histograms }))
    const [cells] = marked(history!, 'cell')
    expect([...new Set(cells!.x)]).toEqual([0, 1])
    // What is narrow is drawn narrow.
    const reach = cells!.y2.filter((_, i) => cells!.x[i] === 1).reduce((a, b) => Math.max(a, b))
    expect(reach).toBeLessThan(0.2)
    const [latest] = panels('gradient-histogram', madeRun({ GradHist1d: histograms.slice(0, 1) }))
    expect(marked(latest!, 'bar')[0]).toMatchObject({ edges: [-1, -0.5, 0, 0.5, 1], lengths: [1, 2, 3, 4] })
    expect(latest!.note).toBe(
      '1 of 10 entries are outside the range, in the end bins; 2 entries are not finite',
    )
  })

  it('loses no entry of a histogram, and no column, be it of one step', () => {
    const few = { counts: [1, 0, 1], edges: [-1, -0.9, 0.9, 1], outside: [0, 0], notFinite: 0 }
    for (const steps of [1, 3]) {
      const made = madeRun({ GradHist1d: Array<typeof few>(steps).fill(few) })
      const [history] = panels('gradient-history', made)
      const [cells] = marked(history!, 'cell')
      expect(new Set(cells!.x).size).toBe(steps)
      expect(cells!.y.some((low) => low < -0.9)).toBe(true)
      expect(cells!.y2.some((high) => high > 0.9)).toBe(true)
      expect(history!.x.range).toEqual([0, steps])
      expect(Math.max(...cells!.x2)).toBe(steps)
    }
  })

  it('has a row for each of many parameters, and says what has no place', () => {
    const names = Array.from({ length: 20 }, (_, i) => `layer${i}`)
    const norms = Object.fromEntries(names.map((name, i) => [name, i === 0 ? 0 : 10 ** -i]))
    const [map] = panels('gradient-norm-layers', madeRun({ GradNorm: [norms, norms] }))
    expect(map!.y.names).toEqual(names.toReversed())
    expect(map!.y.label).toBe('norm, from 10⁻¹⁹ (faint) to 0.1 (strong)')
    expect(marked(map!, 'cell')[0]!.shade).toHaveLength(38)
    expect(map!.note).toBe('2 of 40 values are not positive and left out')
  })

  it('has sums along both sides of gradients against parameters, and each parameter', () => {
    const record = {
      counts: [
        [1, 0, 2],
        [0, 3, 4],
      ],
      edges: [
        [-1, 0, 1],
        [-3, -1, 1, 3],
      ],
      notFinite: 0,
      parameters: {
        w: {
          counts: [
            [1, 0, 2],
            [0, 0, 0],
          ],
          notFinite: 0,
        },
      },
    }
    const all = madeRun({ GradHist2d: [record] })
    const [main, top, right] = panels('gradient-parameter-histogram', all)
    expect(marked(main!, 'cell')[0]).toMatchObject({ x: [-3, 1, -1, 1], y: [-1, -1, 0, 0] })
    expect(marked(main!, 'cell')[0]!.shade[3]).toBe(1)
    expect(marked(top!, 'bar')[0]!.lengths).toEqual([1, 3, 6])
    expect(marked(right!, 'bar')[0]).toMatchObject({ lengths: [3, 7], lying: true })
    const [own] = panels('gradient-parameter-histogram-layers', all)
    expect(own!.title).toBe('w')
    expect(marked(own!, 'cell')[0]!.x).toEqual([-3, 1])
  })

  it('has accuracies as shares and losses as they are noted', () => {
    const [panel] = panels('performance', run)
    expect(panel!.second).toMatchObject({ label: 'accuracy', range: [0, 1] })
    expect(marked(panel!, 'line').map(({ name }) => name)).toEqual([
      'batch loss',
      'train accuracy 87.5 %',
      'valid loss 0.500',
      'valid accuracy 70.0 %',
    ])
  })

  it('thins a long run and keeps what stands out', () => {
    const values = Array.from({ length: 20_000 }, (_, i) => (i === 12_345 ? 1e6 : Math.sin(i)))
    const [panel] = panels('performance', madeRun({ Loss: values }))
    const [points] = marked(panel!, 'point')
    expect(points!.x.length).toBeLessThanOrEqual(480)
    expect(points!.y).toContain(1e6)
    expect(points!.x[points!.y.indexOf(1e6)]).toBe(12_345)
  })

  it('goes up to a step, and has a logarithmic axis of steps', () => {
    const [panel] = panels('gradient-norm', run, { until: 3, logSteps: true })
    expect(marked(panel!, 'point')[0]!.x).toEqual([0, 1, 2, 3])
    expect(panel!.x).toMatchObject({ scale: 'symlog', range: [0, 3] })
  })
})

describe('what is missing', () => {
  it('is named in its place, with the reason', () => {
    const gauges = gaugesOf(
      madeRun({ Loss: [1, 2] }, { absent: { NormTest: 'batch size 1', InnerTest: 'batch size 1' } }),
    )
    expect(gauges.get('gradient-tests')).toMatchObject({
      panels: [],
      missing: [
        'NormTest: batch size 1',
        'InnerTest: batch size 1',
        'OrthoTest is not among what was measured',
      ],
    })
    expect(gauges.get('alpha')!.missing).toEqual(['Alpha is not among what was measured'])
    expect(gauges.get('hyper-parameters')!.missing).toEqual(['the learning rate is not logged'])
  })

  it('is everything before the first step', () => {
    const empty: Run = { header: undefined, steps: [], notes: [] }
    for (const { panels: none, missing } of gaugesOf(empty).values()) {
      expect(none).toEqual([])
      expect(missing.length).toBeGreaterThan(0)
    }
  })

  it('is said of the run that lacks it, beside one that has it', () => {
    const gauges = gaugesOf([madeRun({ Loss: [1], GradNorm: [{ w: 1 }] }), madeRun({ Loss: [2] })], {
      names: ['a', 'b'],
    })
    expect(gauges.get('gradient-norm')).toMatchObject({
      missing: ['b: GradNorm is not among what was measured'],
    })
    expect(gauges.get('gradient-norm')!.panels).toHaveLength(1)
  })

  it.each(['NaN', 'Infinity', '-Infinity'])('%s is a sign at the edge, and in the note', (text) => {
    const [panel] = panels('performance', madeRun({ Loss: [1, Number(text), 3] }))
    expect(marked(panel!, 'edge')).toMatchObject([
      { edge: text === '-Infinity' ? 'bottom' : 'top', at: [1], text: [text] },
    ])
    expect(marked(panel!, 'point')[0]).toMatchObject({ x: [0, 2], y: [1, 3] })
    expect(panel!.note).toBe('1 of 3 values is not finite')
  })

  it('has a place even where no value is finite, or there is one step', () => {
    const lost = madeRun({
      Loss: [NaN, NaN],
      GradNorm: [{ w: NaN }, { w: Infinity }],
      HessMaxEV: [NaN],
      Alpha: [NaN],
    })
    const gauges = gaugesOf(lost)
    expect(gauges.get('performance')!.panels[0]!.panel.note).toBe('2 of 2 values are not finite')
    expect(gauges.get('gradient-norm')!.panels[0]!.panel.note).toBe('2 of 2 values are not finite')
    expect(gauges.get('gradient-norm-layers')!.panels[0]!.panel.note).toBe('2 of 2 values are not finite')
    expect(gauges.get('alpha')!.missing).toEqual(['Alpha: none of 1 values is finite'])
    const [one] = panels('alpha', madeRun({ Alpha: [0.25] }))
    expect(marked(one!, 'rule').map(({ x }) => x)).toContainEqual([0.25])
  })
})

describe('two runs', () => {
  it('are in every gauge, in two colours, by their names', async () => {
    const other = (await trainedRun(0.5)).run
    const board = dashboard([run, other], { names: ['slow', 'fast'] })
    expect(board.runs).toEqual([
      { name: 'slow', tone: 0 },
      { name: 'fast', tone: 1 },
    ])
    for (const { name, panels: all } of board.sections.flatMap(({ gauges }) => gauges)) {
      const tones = all.flatMap(({ panel }) => panel.marks.map(({ tone }) => tone))
      const texts = all.flatMap(({ panel }) => [panel.title, ...panel.marks.map((mark) => mark.name)])
      if (name !== 'gradient-norm-layers')
        expect([name, tones.includes(0), tones.includes(1)]).toEqual([name, true, true])
      for (const each of ['slow', 'fast']) {
        expect([name, texts.some((text) => text.includes(each))]).toEqual([name, true])
      }
    }
  })
})

/** Arrays as the Python library writes them. */
function asWritten(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('shape' in value && 'data' in value) {
    const { shape, data } = value as { readonly shape: readonly number[]; readonly data: readonly number[] }
    return { __ndarray__: nested(data, shape), dtype: 'float32', shape }
  }
  if (Array.isArray(value)) return value.map(asWritten)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asWritten(inner)]))
}

function nested(data: readonly number[], [size, ...rest]: readonly number[]): unknown {
  if (rest.length === 0) return data
  const each = data.length / size!
  return Array.from({ length: size! }, (_, i) => nested(data.slice(i * each, (i + 1) * each), rest))
}

describe('logs of the Python library', () => {
  const all = goldenNames.flatMap((name) => {
    const golden = goldenOf(name)
    const main = Object.fromEntries(golden.steps.map(({ quantities }, step) => [String(step), quantities]))
    const others = Object.entries(golden.variants ?? {}).map(([variant, { output }]) => [
      `${name}, ${variant}`,
      output,
    ])
    return [[name, main], ...others] as [string, object][]
  })

  it.each(all)('%s', (name, output) => {
    const imported = parseCockpit(JSON.stringify(asWritten(output)))
    const gauges = gaugesOf(imported)
    const shown = [...gauges.values()]
      .filter(({ panels: found }) => found.length > 0)
      .map((gauge) => gauge.name)
    const quantities = new Set(imported.steps.flatMap((line) => Object.keys(line.quantities)))
    expect(quantities.size).toBeGreaterThan(0)
    if (!name.includes(',')) expect(shown).toHaveLength(15)
    for (const [gauge, of] of [
      ['alpha', 'Alpha'],
      ['gradient-norm', 'GradNorm'],
      ['gradient-histogram', 'GradHist1d'],
      ['gradient-parameter-histogram', 'GradHist2d'],
      ['tic', 'TICDiag'],
      ['trace', 'HessTrace'],
    ]) {
      expect([gauge, shown.includes(gauge!)]).toEqual([gauge, quantities.has(of!)])
    }
  })
})
