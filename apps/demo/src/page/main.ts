/** @file Starts the page, and draws it when there is something else to see. */
import { render } from 'lit-html'
import { settingsFrom } from '../settings.ts'
import { App } from './app.ts'
import { Plots } from './plots.ts'
import { view } from './view.ts'

/** Milliseconds between two drawings of the plots. */
const plotEvery = 400

const place = document.getElementById('page')!
const plots = new Plots()
let isDue = false
let plotted = 0

const app = new App(settingsFrom(location.search), () => {
  if (isDue) return
  isDue = true
  requestAnimationFrame(draw)
})

function draw(): void {
  isDue = false
  const now = performance.now()
  if (now - plotted > plotEvery || app.state.phase !== 'running') {
    plotted = now
    try {
      app.look()
    } catch (error) {
      app.fail(error)
    }
  }
  render(view(app.state, app, plots.place), place)
  plots.show(app.state)
}

draw()
addEventListener('pagehide', () => app.close())
// Somebody came back to a page that the browser had kept, without its worker.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) app.reset()
})
