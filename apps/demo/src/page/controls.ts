/** @file The controls: what the next run is, and what this one does. */
import { html, nothing, type TemplateResult } from 'lit-html'
import {
  type Choice,
  choices,
  needsRestart,
  type NumberSetting,
  ranges,
  rateOf,
  type Sabotage,
  sabotages,
  type Settings,
  usualEngine,
  usualRate,
  within,
} from '../settings.ts'
import type { Actions, PageState } from './state.ts'
import { choiceNames, rateText, sabotageNames, settingNames } from './wording.ts'

export function controls(state: PageState, actions: Actions): TemplateResult {
  const { settings, opened } = state
  return html`
    <form class="controls" aria-label="Controls" @submit=${(event: Event) => event.preventDefault()}>
      ${buttons(state, actions)}
      <fieldset>
        <legend>Training</legend>
        ${rate(settings, actions)} ${choice('optimizer', settings, actions)}
        ${number('batchSize', settings, actions)} ${choice('model', settings, actions)}
      </fieldset>
      <fieldset class="sabotage">
        <legend>Sabotage</legend>
        ${sabotages.map((name) => sabotage(name, settings, actions))}
      </fieldset>
      <details ?open=${hasUnusual(opened)}>
        <summary>More</summary>
        ${choice('instruments', settings, actions)} ${number('every', settings, actions)}
        ${number('pace', settings, actions)} ${number('steps', settings, actions)}
        ${number('seed', settings, actions)} ${choice('engine', settings, actions)}
      </details>
    </form>
  `
}

function buttons(state: PageState, actions: Actions): TemplateResult {
  const { phase, settings, opened, progress } = state
  const isNew = needsRestart(opened, settings) || ['failed', 'diverged'].includes(phase)
  const hasBegun = progress !== undefined
  const isBusy = phase === 'running'
  const label = isNew && hasBegun ? 'Restart' : hasBegun ? 'Go on' : 'Start'
  return html`
    <div class="buttons">
      ${
        isBusy && !isNew
          ? html`<button type="button" class="main" @click=${() => actions.pause()}>Pause</button>`
          : html`<button type="button" class="main" @click=${() => actions.start()}>${label}</button>`
      }
      <button type="button" ?disabled=${isBusy} @click=${() => actions.step()}>Step</button>
      <button type="button" ?disabled=${!hasBegun && phase !== 'failed'} @click=${() => actions.reset()}>
        Reset
      </button>
    </div>
    <p class="hint" role="status">
      ${needsRestart(opened, settings) && hasBegun ? 'What you changed counts from the next run: Restart.' : nothing}
    </p>
  `
}

function rate(settings: Settings, actions: Actions): TemplateResult {
  const { least, most } = ranges.learningRate
  const { learningRate } = settings
  const actual = rateOf(settings)
  return html`
    <div class="setting">
      <label for="learning-rate">${settingNames.learningRate}</label>
      <input
        id="learning-rate"
        type="number"
        min=${least}
        max=${most}
        step="any"
        .value=${rateText(learningRate)}
        @change=${(event: Event) => actions.change({ learningRate: taken('learningRate', event, rateText) })}
      />
      <input
        class="wide"
        type="range"
        aria-label="Learning rate, as a power of ten"
        aria-valuetext=${rateText(learningRate)}
        min=${Math.log10(least)}
        max=${Math.log10(most)}
        step="0.05"
        .value=${String(Math.log10(learningRate))}
        @input=${(event: Event) =>
          actions.change({
            learningRate: Number((10 ** (event.target as HTMLInputElement).valueAsNumber).toPrecision(2)),
          })}
      />
      ${actual === learningRate ? nothing : html`<p class="note">sabotaged: ${rateText(actual)}</p>`}
    </div>
  `
}

function choice<C extends Choice>(name: C, settings: Settings, actions: Actions): TemplateResult {
  const list = choices[name] as unknown as readonly Settings[C][]
  const choose = (event: Event): void => {
    const value = (event.target as HTMLSelectElement).value as Settings[C]
    actions.change({ [name]: value, ...usualWith(settings, { [name]: value }) })
  }
  return html`
    <div class="setting">
      <label for=${name}>${settingNames[name]}</label>
      <select id=${name} @change=${choose}>
        ${list.map(
          (value) =>
            html`<option value=${value} .selected=${settings[name] === value}>
              ${choiceNames[name][value]}
            </option>`,
        )}
      </select>
    </div>
  `
}

/** Settings that go along with a choice, for as long as nobody chose them. */
function usualWith(settings: Settings, { optimizer, model }: Partial<Settings>): Partial<Settings> {
  return {
    ...(optimizer !== undefined &&
      settings.learningRate === usualRate[settings.optimizer] && { learningRate: usualRate[optimizer] }),
    ...(model !== undefined &&
      settings.engine === usualEngine[settings.model] && { engine: usualEngine[model] }),
  }
}

function number(name: NumberSetting, settings: Settings, actions: Actions): TemplateResult {
  const { least, most } = ranges[name]
  return html`
    <div class="setting">
      <label for=${name}>${settingNames[name]}</label>
      <input
        id=${name}
        type="number"
        min=${least}
        max=${most}
        .value=${String(settings[name])}
        @change=${(event: Event) => actions.change({ [name]: taken(name, event, String) })}
      />
    </div>
  `
}

/** The number of an input, which then shows what was made of it. */
function taken(name: NumberSetting, event: Event, text: (value: number) => string): number {
  const input = event.target as HTMLInputElement
  const value = within(name, input.valueAsNumber)
  input.value = text(value)
  return value
}

function sabotage(name: Sabotage, settings: Settings, actions: Actions): TemplateResult {
  const toggle = (event: Event): void => {
    const isOn = (event.target as HTMLInputElement).checked
    actions.change({
      sabotage: new Set(sabotages.filter((each) => (each === name ? isOn : settings.sabotage.has(each)))),
    })
  }
  return html`
    <label class="switch">
      <input
        type="checkbox"
        role="switch"
        name=${name}
        .checked=${settings.sabotage.has(name)}
        @change=${toggle}
      />
      <span>${sabotageNames[name].name}<small>${sabotageNames[name].what}</small></span>
    </label>
  `
}

const hasUnusual = ({ instruments, every, engine, model }: Settings): boolean =>
  instruments !== 'economy' || every !== ranges.every.initial || engine !== usualEngine[model]
