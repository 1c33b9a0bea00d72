/** @file Where a command prints: results on standard output, everything else on standard error. */
import type logUpdate from 'log-update'
import { createLogUpdate } from 'log-update'
import colours from 'picocolors'

export interface Terminal {
  /** A result; a line break follows. */
  print(text: string): void
  /** A sentence for people; the command's name goes in front. */
  complain(text: string): void
  /** Replaces the line that says how far the work is; an empty text takes it away. Nothing where nobody watches. */
  progress(text: string): void
  /** Characters in a line of results. Default: 80. */
  readonly columns?: number
  /** Whether results may have colours. Default: false. */
  readonly hasColours?: boolean
  /** Where results can be drawn over and over; undefined where nobody watches. */
  readonly screen?: Screen | undefined
}

/** A terminal that somebody watches. */
export interface Screen {
  readonly columns: number
  readonly rows: number
  readonly hasColours: boolean
  /** Aborted when whoever watches has seen enough. */
  readonly stopped: AbortSignal
  /** Draws a text in place of the one before. */
  redraw(text: string): void
  /** Leaves what is drawn where it is. */
  done(): void
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  let isShown = false
  const hide = (): void => {
    if (isShown) process.stderr.write('\r\u001b[K')
    isShown = false
  }
  return {
    columns: process.stdout.columns ?? 80,
    hasColours: colours.isColorSupported && process.stdout.isTTY,
    screen: process.stdout.isTTY ? processScreen() : undefined,
    print: (text) => {
      hide()
      process.stdout.write(`${text}\n`)
    },
    complain: (text) => {
      hide()
      process.stderr.write(`beyondgrad: ${text.split('\n')[0]}\n`)
    },
    progress: (text) => {
      if (!process.stderr.isTTY) return
      hide()
      process.stderr.write(text)
      isShown = text !== ''
    },
  }
}

function processScreen(): Screen {
  const { stdout } = process
  const stop = new AbortController()
  let draws: typeof logUpdate | undefined
  return {
    get columns() {
      return stdout.columns
    },
    get rows() {
      return stdout.rows
    },
    hasColours: colours.isColorSupported,
    stopped: stop.signal,
    redraw: (text) => {
      if (draws === undefined) process.once('SIGINT', () => stop.abort())
      draws ??= createLogUpdate(stdout)
      draws(text)
    },
    done: () => draws?.done(),
  }
}
