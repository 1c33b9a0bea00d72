/** @file The whole page as a template. The plots are drawn by the cockpit itself, into a place that stays. */
import { html, type TemplateResult } from 'lit-html'
import { controls } from './controls.ts'
import { digitRow } from './digits.ts'
import { figures } from './figures.ts'
import { findings } from './findings.ts'
import type { Actions, PageState } from './state.ts'

/** @param plots where the cockpit draws */
export function view(state: PageState, actions: Actions, plots: HTMLElement): TemplateResult {
  return html`
    <header>
      <h1>Training with a cockpit</h1>
      <p>
        A small network learns real handwritten digits in this browser, and instruments beside the gradient
        say in sentences what is wrong with the training. Press Start, then sabotage it.
      </p>
    </header>
    <main data-phase=${state.phase} data-steps=${state.progress?.steps ?? 0}>
      ${controls(state, actions)}
      <div class="results">
        ${figures(state)} ${findings(state)}
        ${digitRow('Digits that it names', state.named, 'As the diagnosis suspects them: label → what the network takes it for.')}
        ${digitRow(
          state.progress === undefined ? 'Some of the digits' : 'From the last batch',
          state.batch,
          'Label → what the network takes it for. Those whose label sabotage made wrong are marked.',
        )}
        <section class="plots" aria-label="Instruments">${plots}</section>
        <p class="buttons">
          <button type="button" ?disabled=${!hasSteps(state)} @click=${() => actions.saveReport()}>
            Save report
          </button>
          <button type="button" ?disabled=${!hasSteps(state)} @click=${() => actions.saveLog()}>
            Save run.jsonl
          </button>
        </p>
      </div>
    </main>
  `
}

const hasSteps = ({ run }: PageState): boolean => (run?.steps.length ?? 0) > 0
