/** @file Every quantity at every step against Cockpit's own values, variants included. */
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { type Engine, referenceEngine } from '@beyondgrad/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import * as cockpit from '../src/index.ts'
import { type Golden, goldenNames, goldenOf, goldenRun, type Row, type Values } from './golden-run.ts'

/** As wide as rounding of the printed digits, or of single precision, goes for each quantity. */
const engines: readonly {
  readonly name: string
  readonly engine: Engine
  readonly rtol: number
  readonly fragile: number
}[] = [
  { name: 'reference engine', engine: referenceEngine(), rtol: 2e-8, fragile: 1e-6 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 1e-4, fragile: 1e-3 },
]

const fixed = { gradientRange: [-1, 1], parameterRange: [-2, 2] } as const

/** How many entries there are of each engine and quantity, and how many agree. */
const tally = new Map<string, { passed: number; total: number }>()

function instruments(curvature: 'diag-hessian' | 'diag-ggn', exact: boolean): cockpit.Instrument[] {
  return [
    cockpit.Loss(),
    cockpit.Parameters(),
    cockpit.GradNorm(),
    cockpit.UpdateSize(),
    cockpit.Distance(),
    cockpit.Alpha(),
    cockpit.CABS(),
    cockpit.EarlyStopping(),
    cockpit.MeanGSNR(),
    cockpit.NormTest(),
    cockpit.InnerTest(),
    cockpit.OrthoTest(),
    cockpit.GradHist1d({ range: [-2, 2], exact }),
    cockpit.GradHist2d({ ...fixed, exact }),
    cockpit.HessTrace({ curvature }),
    cockpit.TICDiag({ curvature }),
    cockpit.TICTrace({ curvature }),
    cockpit.HessMaxEV({ products: 20 }),
  ]
}

/** All numbers of a value, in their order; names of parameters in the model's. */
function flat(value: unknown, names: readonly string[]): number[] {
  if (typeof value === 'number') return [value]
  if (Array.isArray(value)) return value.flatMap((each) => flat(each, names))
  const record = value as Readonly<Record<string, unknown>>
  if ('data' in record) return [...(record as unknown as Values).data]
  if ('hist' in record) return [...flat(record.hist, names), ...flat(record.edges, names)]
  if ('counts' in record) return [...flat(record.counts, names), ...flat(record.edges, names)]
  return names.flatMap((name) => flat(record[name], names))
}

function compare({
  engine,
  golden,
  what,
  found,
  expected,
  rtol,
}: {
  engine: string
  golden: Golden
  what: string
  found: unknown
  expected: unknown
  rtol: number
}): void {
  const count = tally.get(`${engine}: ${what}`) ?? { passed: 0, total: 0 }
  tally.set(`${engine}: ${what}`, count)
  count.total++
  const [ours, theirs] = [flat(found, golden.param_names), flat(expected, golden.param_names)]
  expect(ours.length, what).toBe(theirs.length)
  const scale = Math.max(1e-12, ...theirs.map(Math.abs))
  const error = Math.max(...ours.map((x, i) => Math.abs(x - theirs[i]!) / scale))
  expect(error, what).toBeLessThan(rtol)
  count.passed++
}

describe.each(engines)('on the $name', ({ name, engine, rtol, fragile }) => {
  const toleranceOf = (quantity: string): number => {
    // Not exact itself: it stops at a tenth of a per cent between rounds.
    if (quantity === 'HessMaxEV') return 0.1
    return ['TICDiag', 'EarlyStopping', 'MeanGSNR'].includes(quantity) ? fragile : rtol
  }
  const compareRows = (
    golden: Golden,
    steps: ReadonlyMap<number, cockpit.TrackedStep>,
    rows: readonly (readonly [number, Row])[],
    label: string,
  ): void => {
    for (const [step, row] of rows) {
      for (const [quantity, expected] of Object.entries(row)) {
        const found = steps.get(step)?.quantities[quantity]
        const what = `${label}${quantity}`
        expect(found, `${what} at step ${step}: ${steps.get(step)?.absent?.[quantity]}`).toBeDefined()
        compare({ engine: name, golden, what, found, expected, rtol: toleranceOf(quantity) })
      }
    }
  }

  describe.each(goldenNames)('%s', (file) => {
    const golden = goldenOf(file)
    const variant = (key: string): readonly (readonly [number, Row])[] =>
      Object.entries(golden.variants?.[key]?.output ?? {}).map(([step, row]) => [Number(step), row])

    it.each([false, true])('every quantity, histograms exact: %s', async (exact) => {
      const steps = await goldenRun(file, engine, { instruments: instruments('diag-hessian', exact) })
      compareRows(
        golden,
        steps,
        golden.steps.map(({ quantities }, i) => [i, quantities]),
        '',
      )
      golden.steps.forEach(({ exact: { hess_max_abs_eigenvalue: expected } }, i) => {
        const found = steps.get(i)!.quantities.HessMaxEV
        compare({ engine: name, golden, what: 'HessMaxEV, dense', found, expected, rtol: 1e-3 })
      })
      // The last step has no next one, and says so.
      expect(steps.get(5)!.absent).toEqual({ Alpha: expect.stringContaining('ended') as string })
    })

    it('with the curvature of the generalised Gauss-Newton matrix', async () => {
      const steps = await goldenRun(file, engine, { instruments: instruments('diag-ggn', false).slice(-4) })
      compareRows(golden, steps, variant('curvature_ggn'), 'ggn: ')
    })

    it('with momentum', async () => {
      const steps = await goldenRun(
        file,
        engine,
        { instruments: [cockpit.Alpha(), cockpit.UpdateSize(), cockpit.Distance()] },
        { momentum: 0.9 },
      )
      const rows = variant('momentum_alpha').map(
        ([step, { Alpha, UpdateSize, Distance }]) => [step, clean({ Alpha, UpdateSize, Distance })] as const,
      )
      compareRows(golden, steps, rows, 'momentum: ')
    })

    it('with a sparse schedule', async () => {
      const all = instruments('diag-hessian', false).filter(({ name: each }) => each !== 'HessMaxEV')
      const steps = await goldenRun(file, engine, { instruments: all, every: cockpit.linear(2, 1) })
      const rows = variant('sparse_schedule')
      compareRows(
        golden,
        steps,
        rows.map(([step, { HessMaxEV: _, ...row }]) => [step, row]),
        'sparse: ',
      )
      if (rows.length > 0) expect([...steps.keys()]).toEqual([1, 3, 5])
    })

    it.each([false, true])('with bins that adapt, exact: %s', async (exact) => {
      const rows = variant('adaptive_bins')
      const adapted = [
        cockpit.GradHist1d({ bins: 20, exact, range: { start: [-1, 1], every: 2, padding: 0.1 } }),
        cockpit.GradHist2d({
          bins: [8, 10],
          exact,
          perParameter: true,
          gradientRange: { start: [-1, 1] },
          parameterRange: { start: [-2, 2], every: 3, padding: 0.2 },
        }),
      ]
      const steps = await goldenRun(file, engine, { instruments: adapted })
      compareRows(
        golden,
        steps,
        rows.map(([step, row]) => [step, row]),
        'adaptive: ',
      )
      for (const [step, { GradHist2d }] of rows) {
        const own = (steps.get(step)!.quantities.GradHist2d as { parameters: Record<string, unknown> })
          .parameters
        golden.param_names.forEach((parameter, i) => {
          const expected = (GradHist2d as Record<string, { hist: unknown }>)[`param_${i}`]!.hist
          const found = (own[parameter] as { counts: unknown }).counts
          compare({
            engine: name,
            golden,
            what: 'adaptive: GradHist2d of each parameter',
            found,
            expected,
            rtol,
          })
        })
      }
    })
  })
})

const clean = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))

afterAll(() => {
  if (process.env.GOLDEN_TALLY === undefined) return
  for (const [what, { passed, total }] of tally) console.log(`${what}: ${passed} / ${total}`)
})
