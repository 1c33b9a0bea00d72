/** @file The numbers that everybody looks at, and what the cockpit costs. */
import { html, type TemplateResult } from 'lit-html'
import type { PageState } from './state.ts'
import { percent } from './wording.ts'

export function figures({ progress, accuracy }: PageState): TemplateResult {
  const { costs } = progress ?? {}
  const milliseconds = (value: number | undefined): string =>
    value === undefined ? '–' : `${value.toFixed(1)} ms`
  return html`
    <dl class="figures" aria-label="Figures">
      ${figure('steps', 'Steps', String(progress?.steps ?? 0))}
      ${figure('loss', 'Loss', progress === undefined ? '–' : progress.smoothLoss.toFixed(3), 'a moving average')}
      ${figure('accuracy', 'Test accuracy', percent(accuracy?.test), `on training digits ${percent(accuracy?.train)}`)}
      ${figure(
        'speed',
        'Steps a second',
        progress?.stepsPerSecond === undefined ? '–' : progress.stepsPerSecond.toFixed(0),
        `a step takes ${milliseconds(costs?.plain)}`,
      )}
      ${figure(
        'cost',
        'Cockpit’s share',
        percent(costs?.share),
        `a tracked step takes ${milliseconds(costs?.tracked)}`,
      )}
    </dl>
  `
}

function figure(name: string, label: string, value: string, note = ''): TemplateResult {
  return html`
    <div data-figure=${name}>
      <dt>${label}</dt>
      <dd>${value}</dd>
      <dd class="note">${note}</dd>
    </div>
  `
}
