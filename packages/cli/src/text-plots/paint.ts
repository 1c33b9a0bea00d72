/** @file Colours of a terminal for the tones of plots. */
import colours from 'picocolors'
import type { Paint } from './canvas.ts'

type Colour = 'blue' | 'yellow' | 'green' | 'gray' | 'red' | 'magenta' | 'cyan'

const named: Readonly<Record<string, Colour>> = {
  blue: 'blue',
  orange: 'yellow',
  green: 'green',
  grey: 'gray',
  red: 'red',
}
/** Of runs, and of lines among each other. */
const numbered: readonly Colour[] = ['blue', 'yellow', 'green', 'magenta', 'gray', 'red']
const depths: readonly Colour[] = ['magenta', 'blue', 'cyan', 'green', 'yellow']

/** Paints where there are colours. */
export function paintOn({ hasColours = false }: { readonly hasColours?: boolean }): Paint {
  const colour = colours.createColors(hasColours)
  return (text, tone) => {
    if (tone === 'strong') return colour.bold(text)
    if (tone === 'ink') return text
    if (typeof tone === 'number') return colour[numbered[tone % numbered.length]!](text)
    if (typeof tone === 'object') {
      const at = Math.min(depths.length - 1, Math.floor(Math.max(0, tone.depth) * depths.length))
      return colour[depths[at]!](text)
    }
    return colour[named[tone]!](text)
  }
}
