/** @file What the diagnosis says, in sentences that are read out when they appear, and not whenever a number in them changes. */
import type { Finding } from '@beyondgrad/cockpit'
import { html, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { PageState } from './state.ts'
import { phaseNames } from './wording.ts'

const severities: Readonly<Record<Finding['severity'], string>> = {
  error: 'Error',
  warning: 'Warning',
  note: 'Note',
}

export function findings(state: PageState): TemplateResult {
  const { findings, phase, failure, run } = state
  const nothingSeen =
    (run?.steps.length ?? 0) < 3 ? 'Nothing to say yet.' : 'Nothing is wrong, as far as the instruments see.'
  return html`
    <section class="findings" aria-labelledby="findings-title">
      <h2 id="findings-title">What the cockpit says</h2>
      <p class="phase" role="status" data-phase=${phase}>
        ${phase === 'failed' ? failure : phaseNames[phase]}
      </p>
      <ul aria-live="polite" aria-relevant="additions">
        ${
          findings.length === 0
            ? html`<li class="calm">${nothingSeen}</li>`
            : repeat(findings, ({ rule, parameters = [] }) => [rule, ...parameters].join(), findingItem)
        }
      </ul>
    </section>
  `
}

function findingItem({ severity, rule, sentence, source }: Finding): TemplateResult {
  return html`
    <li class=${severity} data-rule=${rule} title=${source}>
      <strong>${severities[severity]}</strong> ${capitalised(sentence)}.
    </li>
  `
}

const capitalised = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1)
