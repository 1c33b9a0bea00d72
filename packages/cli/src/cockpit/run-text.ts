/** @file Runs as text: what they are, what is wrong with them, and their gauges beside each other. */
import { diagnose, type Run } from '@beyondgrad/cockpit'
import {
  dashboard,
  type DashboardGauge,
  type DashboardOptions,
  factsOf,
  type PlotPanel,
} from '@beyondgrad/cockpit/report'
import type { Paint } from '../text-plots/canvas.ts'
import { beside, wrapped, wrappedBetween } from '../text-plots/lines.ts'
import { panelText } from '../text-plots/panel.ts'

export interface RunTextOptions {
  readonly columns: number
  /** Lines in all. Default: as many as there are. */
  readonly rows?: number
  readonly paint: Paint
}

/** A gauge is at least as wide. */
const narrowest = 38
const gap = 2
/** Of a plot, without title and axis. */
const plotRows = 7

/** What tells most comes first: there may not be room for all. */
const first = ['performance', 'alpha', 'gradient-tests', 'gradient-norm', 'gradient-histogram', 'distance']

export function runText(
  runs: readonly Run[],
  shown: DashboardOptions,
  { columns, rows, paint }: RunTextOptions,
): string {
  const board = dashboard(runs, shown)
  const head = [
    paint(board.title, 'strong'),
    ...runs.flatMap((run, i) => {
      const { name, tone } = board.runs[i]!
      const facts = factsOf(run).map((fact) => `${fact.name} ${fact.value}`)
      const about = wrappedBetween(runs.length > 1 ? [name, ...facts] : facts, columns).map((line) =>
        paint(line, runs.length > 1 ? tone : 'grey'),
      )
      return [...about, ...findingsText(run, columns, paint)]
    }),
  ]
  const gauges = board.sections.flatMap((section) => section.gauges)
  const rank = ({ name }: DashboardGauge): number =>
    first.includes(name) ? first.indexOf(name) : first.length
  const there = gauges.filter(({ panels }) => panels.length > 0).sort((a, b) => rank(a) - rank(b))
  const missing = gauges.flatMap((gauge) => gauge.missing)
  const foot =
    missing.length === 0
      ? []
      : ['', ...wrapped(missing.join('; '), columns).map((line) => paint(line, 'grey'))]
  const room = rows === undefined ? Infinity : rows - head.length
  const body: string[] = []
  for (const block of blocksOf(there, columns, paint)) {
    if (body.length + block.length + 1 > room) break
    body.push('', ...block)
  }
  const isWhole = body.length + foot.length <= room
  return [...head, ...body, ...(isWhole ? foot : [])].slice(0, rows).join('\n')
}

function findingsText(run: Run, columns: number, paint: Paint): string[] {
  if (run.steps.length === 0) return []
  const findings = diagnose(run)
  if (findings.length === 0) return [paint('nothing stands out in what was measured', 'green')]
  return findings.flatMap(({ severity, sentence }) =>
    wrapped(`${severity}: ${sentence}`, columns).map((line) =>
      paint(line, severity === 'error' ? 'red' : severity === 'warning' ? 'orange' : 'blue'),
    ),
  )
}

/** Gauges in rows of as many as there is room for. */
function blocksOf(gauges: readonly DashboardGauge[], columns: number, paint: Paint): string[][] {
  const abreast = Math.max(1, Math.min(3, Math.floor((columns + gap) / (narrowest + gap))))
  const width = Math.floor((columns - gap * (abreast - 1)) / abreast)
  const texts = gauges.map((gauge) => panelText(mainPanel(gauge), { columns: width, rows: plotRows, paint }))
  return Array.from({ length: Math.ceil(texts.length / abreast) }, (_, i) =>
    beside(texts.slice(i * abreast, (i + 1) * abreast), width, gap),
  )
}

/** The largest panel stands for a gauge; small ones around it need more dots than a terminal has. */
function mainPanel({ title, panels }: DashboardGauge): PlotPanel {
  const { panel } = panels.reduce((a, b) => (a.width * a.height >= b.width * b.height ? a : b))
  return panel.title === '' ? { ...panel, title } : panel
}
