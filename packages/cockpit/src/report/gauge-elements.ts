/** @file A dashboard as elements of a page, which are kept from one drawing to the next. */
import type { Dashboard, DashboardGauge } from './dashboard.ts'
import { gaugeSize, renderGauge } from './drawing/figure.ts'
import { cockpitStyle } from './style.ts'
import { colourOf } from './tones.ts'

interface DrawnGauge {
  readonly figure: HTMLElement
  /** The gauge as JSON, by which a change is seen. */
  data: string
}

/** The elements of a dashboard, kept from one drawing to the next: what does not change keeps its place, and the page where it is scrolled to. */
export class GaugeElements {
  private readonly document: Document
  private readonly root: HTMLElement
  private readonly gauges = new Map<string, DrawnGauge>()
  private layout = ''

  constructor(document: Document, into: HTMLElement) {
    this.document = document
    this.root = this.make('div', 'cockpit')
    into.append(this.root)
  }

  show(board: Dashboard): void {
    const layout = JSON.stringify([
      board.runs,
      board.sections.map(({ title, gauges }) => [title, gauges.map(({ name }) => name)]),
    ])
    if (layout !== this.layout) this.arrange(board)
    this.layout = layout
    for (const gauge of board.sections.flatMap(({ gauges }) => gauges)) this.draw(gauge)
  }

  remove(): void {
    this.root.remove()
  }

  private arrange({ runs, sections }: Dashboard): void {
    const style = this.make('style', '')
    style.textContent = cockpitStyle
    const grid = this.make('div', 'sections')
    grid.append(
      ...sections.map(({ title, tone, arrangement, gauges }) => {
        const section = this.make('section', arrangement)
        const heading = this.make('h2', '')
        heading.textContent = title
        heading.setAttribute('style', `color: ${colourOf(tone)}`)
        const list = this.make('div', 'gauges')
        list.append(...gauges.map((gauge) => this.drawnOf(gauge).figure))
        section.append(heading, list)
        return section
      }),
    )
    this.root.replaceChildren(style, ...(runs.length > 1 ? [this.legend(runs)] : []), grid)
  }

  private legend(runs: Dashboard['runs']): HTMLElement {
    const list = this.make('ul', 'runs')
    list.append(
      ...runs.map(({ name, tone }) => {
        const item = this.make('li', '')
        const swatch = this.make('span', '')
        swatch.setAttribute('style', `color: ${colourOf(tone)}`)
        swatch.setAttribute('aria-hidden', 'true')
        swatch.textContent = '● '
        item.append(swatch, name)
        return item
      }),
    )
    return list
  }

  private drawnOf(gauge: DashboardGauge): DrawnGauge {
    const known = this.gauges.get(gauge.name)
    if (known !== undefined) return known
    const made = { figure: this.make('figure', `columns-${gauge.columns}`), data: '' }
    this.gauges.set(gauge.name, made)
    return made
  }

  private draw(gauge: DashboardGauge): void {
    const drawn = this.drawnOf(gauge)
    const data = JSON.stringify(gauge)
    if (data === drawn.data) return
    drawn.data = data
    drawn.figure.replaceChildren(renderGauge(gauge, { ...gaugeSize(gauge), document: this.document }))
  }

  private make(tag: string, className: string): HTMLElement {
    const element = this.document.createElement(tag)
    if (className !== '') element.className = className
    return element
  }
}
