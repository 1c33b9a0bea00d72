/** @file A run as a page of its own: what it was, what is wrong with it, its gauges, and what could not be measured. One file, no network. */
import { diagnose } from '../diagnosis/diagnose.ts'
import type { Evidence, Finding } from '../diagnosis/finding.ts'
import type { Run } from '../log/run.ts'
import { told } from './axis-scale.ts'
import { dashboard, type DashboardOptions, namedRuns } from './dashboard.ts'
import { type DocumentOption, svgMaker } from './drawing/svg.ts'
import { GaugeElements } from './gauge-elements.ts'
import { absencesOf, factsOf } from './run-facts.ts'
import type { NamedRun } from './series.ts'
import { reportStyle } from './style.ts'

export interface ReportOptions extends DashboardOptions, DocumentOption {
  /** Of each run. Default: what `diagnose` finds. */
  readonly findings?: readonly (readonly Finding[])[]
}

/** The text of an HTML file, light or dark as the reader's system is. Throws `value` where there is no document to draw into. */
export function reportHtml(runs: Run | readonly Run[], options: ReportOptions = {}): string {
  const { document } = svgMaker(options)
  const named = namedRuns(runs, options)
  const page = new Page(document)
  const board = dashboard(runs, options)
  const main = page.make('main', 'report cockpit')
  const several = named.length > 1
  main.append(
    page.make('h1', '', board.title),
    page.make('div', 'facts', ...named.map((run) => page.facts(run, several))),
    ...named.map((run, i) => page.findings(run, options.findings?.[i] ?? diagnose(run.run), several)),
  )
  new GaugeElements(document, main).show(board)
  main.append(...page.absences(named))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(board.title)}</title>
<style>${reportStyle}</style>
</head>
<body>
${main.outerHTML}
</body>
</html>
`
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

class Page {
  private readonly document: Document

  constructor(document: Document) {
    this.document = document
  }

  make(tag: string, className: string, ...children: readonly (string | HTMLElement)[]): HTMLElement {
    const element = this.document.createElement(tag)
    if (className !== '') element.className = className
    element.append(...children)
    return element
  }

  facts({ name, run }: NamedRun, several: boolean): HTMLElement {
    const facts = factsOf(run).flatMap((fact) => [
      this.make('dt', '', fact.name),
      this.make('dd', '', fact.value),
    ])
    const list = this.make('dl', '', ...facts)
    return this.make('div', '', ...(several ? [this.make('h2', '', name)] : []), list)
  }

  findings({ name }: NamedRun, findings: readonly Finding[], several: boolean): HTMLElement {
    const title = several ? `Findings: ${name}` : 'Findings'
    const items = findings.map((finding) => {
      const from = finding.evidence.map((evidence) => evidenceOf(evidence)).join('; ')
      const [first, last] = finding.steps
      const rest = [first === last ? `step ${first}` : `steps ${first} to ${last}`, from, finding.source]
      return this.make(
        'li',
        finding.severity,
        this.make('span', 'severity', finding.severity),
        this.make('p', '', finding.sentence),
        this.make('small', '', rest.filter((part) => part !== '').join(' · ')),
      )
    })
    const body =
      items.length > 0
        ? this.make('ul', 'findings', ...items)
        : this.make('p', 'none', 'Nothing stands out in what was measured.')
    return this.make('section', 'findings-of', this.make('h2', '', title), body)
  }

  absences(runs: readonly NamedRun[]): HTMLElement[] {
    const several = runs.length > 1
    const rows = runs.flatMap(({ name, run }) =>
      absencesOf(run).map(({ quantity, reason, steps, first, last }) => {
        const where = steps === 1 ? `step ${first}` : `${steps} steps, ${first} to ${last}`
        return [...(several ? [name] : []), quantity, reason, where]
      }),
    )
    if (rows.length === 0) return []
    const head = [...(several ? ['run'] : []), 'quantity', 'why', 'where']
    const table = this.make(
      'table',
      '',
      this.make('thead', '', this.make('tr', '', ...head.map((text) => this.heading(text)))),
      this.make(
        'tbody',
        '',
        ...rows.map((row) => this.make('tr', '', ...row.map((text) => this.make('td', '', text)))),
      ),
    )
    return [this.make('section', 'absent', this.make('h2', '', 'What could not be measured'), table)]
  }

  private heading(text: string): HTMLElement {
    const cell = this.make('th', '', text)
    cell.setAttribute('scope', 'col')
    return cell
  }
}

function evidenceOf({ quantity, of, value, threshold, values }: Evidence): string {
  return `${of === '' ? '' : `${of} of `}${quantity} ${told(value)}, threshold ${told(threshold)}, ${values} ${values === 1 ? 'value' : 'values'}`
}
