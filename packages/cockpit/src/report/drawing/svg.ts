/** @file Elements of SVG in whatever document there is, and their text. */
import { BeyondgradError } from '@beyondgrad/tensor'

export interface DocumentOption {
  /** Default: that of the page. In Node, `headlessDocument()` of `@beyondgrad/cockpit/node`. */
  readonly document?: Document
}

type Attributes = Readonly<Record<string, string | number>>

export interface SvgMaker {
  readonly document: Document
  element(tag: string, attributes: Attributes): SVGElement
  text(text: string, attributes: Attributes): SVGElement
  set(element: Element, attributes: Attributes): void
  /** What Plot has drawn, without style sheet and fonts of its own. */
  bare(plot: SVGElement): SVGElement
}

const namespace = 'http://www.w3.org/2000/svg'

/** Throws `value` where there is no document. */
export function svgMaker({ document = globalThis.document }: DocumentOption): SvgMaker {
  if (document === undefined) {
    throw new BeyondgradError(
      'value',
      "plots are drawn into a document, and there is none: pass { document: await headlessDocument() } of '@beyondgrad/cockpit/node'",
    )
  }
  const set = (element: Element, attributes: Attributes): void => {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  }
  const element = (tag: string, attributes: Attributes): SVGElement => {
    const made = document.createElementNS(namespace, tag as 'svg')
    set(made, attributes)
    return made
  }
  return {
    document,
    element,
    set,
    text: (text, attributes) => {
      const made = element('text', { fill: 'currentColor', ...attributes })
      made.textContent = text
      return made
    },
    bare: (plot) => {
      for (const style of plot.querySelectorAll('style')) style.remove()
      for (const name of ['class', 'style', 'font-family', 'xmlns', 'xmlns:xlink']) plot.removeAttribute(name)
      return plot
    },
  }
}

const fontFamily = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif'

/** The outermost element of a picture: with a namespace, so that it can be a file, and a name for those who can't see it. */
export function rootSvg(
  svg: SvgMaker,
  { width, height }: { readonly width: number; readonly height: number },
  label: string,
): SVGSVGElement {
  return svg.element('svg', {
    xmlns: namespace,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    'font-family': fontFamily,
    role: 'img',
    'aria-label': label,
  }) as SVGSVGElement
}

/** A text in lines of about so many characters, broken at spaces. */
export function wrapped(text: string, width: number, character: number): string[] {
  const most = Math.max(8, Math.floor(width / character))
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= most)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** The picture as the text of a file. */
export function svgText(svg: SVGElement): string {
  // Documents of HTML leave characters in attributes that XML has no place for.
  const text = svg.outerHTML.replace(/="[^"]*"/g, (value) =>
    value.replace(/&(?!(?:\w+|#\d+|#x[\da-f]+);)/gi, '&amp;').replaceAll('<', '&lt;'),
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n${text}\n`
}
