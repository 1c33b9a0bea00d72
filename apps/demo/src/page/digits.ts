/** @file Digits as pictures, with their labels and what the network takes them for. */
import { html, nothing, type TemplateResult } from 'lit-html'
import { ref } from 'lit-html/directives/ref.js'
import type { ShownDigit } from '../training/messages.ts'

const side = 28

/** A row of digits under a heading. */
export function digitRow(
  title: string,
  digits: readonly ShownDigit[],
  note: string,
): TemplateResult | typeof nothing {
  if (digits.length === 0) return nothing
  return html`
    <section class="digits">
      <h2>${title}</h2>
      <p class="note">${note}</p>
      <ul>
        ${digits.map(digitPicture)}
      </ul>
    </section>
  `
}

function digitPicture({ pixels, label, predicted, truth, place }: ShownDigit): TemplateResult {
  const isSpoiled = label !== truth
  const said = `a digit labelled ${label}, taken for a ${predicted}${isSpoiled ? `, really a ${truth}` : ''}`
  return html`
    <li
      class=${isSpoiled ? 'spoiled' : predicted === label ? 'right' : 'wrong'}
      title=${`training digit ${place}: ${said}`}
    >
      <canvas
        width=${side}
        height=${side}
        role="img"
        aria-label=${said}
        ${ref((canvas) => draw(canvas, pixels))}
      ></canvas>
      <span aria-hidden="true">${label} → ${predicted}</span>
    </li>
  `
}

function draw(canvas: Element | undefined, pixels: ShownDigit['pixels']): void {
  const context = (canvas as HTMLCanvasElement | undefined)?.getContext('2d')
  if (!context) return
  const image = context.createImageData(side, side)
  pixels.forEach((grey, i) => image.data.set([255, 255, 255, grey], 4 * i))
  context.putImageData(image, 0, 0)
}
