/** @file The colours of plots, which are legible on light and on dark ground. */
import type { Tone } from './plot.ts'

const named = {
  blue: '#2f7fc1',
  orange: '#e0812b',
  green: '#3f9b5b',
  grey: '#8a8f98',
  red: '#d1495b',
  ink: 'currentColor',
} as const

/** Of runs, and of lines among each other; told apart with colour-deficient sight too (after Okabe and Ito). */
const runs = ['#2f7fc1', '#e0812b', '#2a9d7f', '#b5609b', '#8a8f98', '#b8a12f'] as const

/** From the first to the last. */
const depths = ['#5b4b9a', '#3f6fb0', '#2f8fa3', '#3aa981', '#86bd4e', '#d0b22e'] as const

export function colourOf(tone: Tone = 'ink'): string {
  if (typeof tone === 'string') return named[tone]
  if (typeof tone === 'number') return runs[tone % runs.length]!
  return mixed(depths, tone.depth)
}

function mixed(colours: readonly string[], share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (colours.length - 1)
  const low = Math.min(Math.floor(at), colours.length - 2)
  const [from, to] = [channels(colours[low]!), channels(colours[low + 1]!)]
  const mix = from.map((value, i) => Math.round(value + (at - low) * (to[i]! - value)))
  return `#${mix.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}

const channels = (colour: string): number[] => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16))
