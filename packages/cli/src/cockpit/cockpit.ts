/** @file Shows runs: as text, as a file, as JSON, or live. */
import { diagnose, type Finding, type Run } from '@beyondgrad/cockpit'
import { headlessDocument, pngOf } from '@beyondgrad/cockpit/node'
import {
  type Absence,
  absencesOf,
  dashboard,
  type DashboardOptions,
  renderDashboard,
  reportHtml,
  svgText,
} from '@beyondgrad/cockpit/report'
import { writeBytes } from '../array-files.ts'
import { jsonText } from '../json-text.ts'
import type { Terminal } from '../terminal.ts'
import { paintOn } from '../text-plots/paint.ts'
import { UsageError } from '../usage-error.ts'
import { watch } from './live.ts'
import { namesOf, openRun } from './runs.ts'
import { runText } from './run-text.ts'

export interface CockpitOptions {
  readonly out?: string
  readonly live?: boolean
  readonly title?: string
  readonly logSteps?: boolean
  readonly until?: number
  readonly json?: boolean
}

/** The document that `--json` prints. */
export interface CockpitDocument {
  readonly runs: readonly {
    readonly name: string
    /** How many are logged, and the first and the last of them; null where there is none. */
    readonly steps: { readonly logged: number; readonly first: number | null; readonly last: number | null }
    readonly quantities: readonly string[]
    /** The worst first. */
    readonly findings: readonly Finding[]
    readonly absent: readonly Absence[]
  }[]
}

type Format = 'html' | 'svg' | 'png'

export async function cockpit(
  places: readonly string[],
  options: CockpitOptions,
  terminal: Terminal,
): Promise<void> {
  const { out, live = false, json = false, title, logSteps, until } = options
  const format = out === undefined ? undefined : formatOf(out)
  if (live && (out !== undefined || json)) {
    throw new UsageError(`--live draws in the terminal: leave out ${out === undefined ? '--json' : '--out'}`)
  }
  const names = namesOf(places)
  const shown: DashboardOptions = {
    title: title ?? names.join(' and '),
    names,
    ...(logSteps !== undefined && { logSteps }),
    ...(until !== undefined && { until }),
  }
  const { screen } = terminal
  if (live && screen !== undefined) return watch(places, shown, screen)
  const runs = places.map((place) => openRun(place).run).map((run) => upTo(run, until))
  if (format !== undefined) {
    await writeBytes(out!, await pictureOf(runs, shown, format))
    terminal.print(json ? jsonText(documentOf(names, runs)) : `see ${out}`)
  } else if (json) terminal.print(jsonText(documentOf(names, runs)))
  else terminal.print(runText(runs, shown, { columns: terminal.columns ?? 80, paint: paintOn(terminal) }))
}

function formatOf(file: string): Format {
  const extension = /\.(html|svg|png)$/i.exec(file)?.[1]?.toLowerCase()
  if (extension !== undefined) return extension as Format
  throw new UsageError(`--out ${file}: the extension says what is written: .html, .svg or .png`)
}

const upTo = (run: Run, until = Infinity): Run => ({
  header: run.header,
  steps: run.steps.filter(({ step }) => step <= until),
  notes: run.notes.filter(({ step }) => step <= until),
})

async function pictureOf(runs: readonly Run[], shown: DashboardOptions, format: Format): Promise<Uint8Array> {
  const document = await headlessDocument()
  if (format === 'html') return new TextEncoder().encode(reportHtml(runs, { ...shown, document }))
  const svg = svgText(renderDashboard(dashboard(runs, shown), { document }))
  return format === 'svg' ? new TextEncoder().encode(svg) : pngOf(svg)
}

function documentOf(names: readonly string[], runs: readonly Run[]): CockpitDocument {
  return {
    runs: runs.map((run, i) => ({
      name: names[i]!,
      steps: {
        logged: run.steps.length,
        first: run.steps[0]?.step ?? null,
        last: run.steps.at(-1)?.step ?? null,
      },
      quantities: run.header?.quantities ?? [],
      findings: diagnose(run),
      absent: absencesOf(run),
    })),
  }
}
