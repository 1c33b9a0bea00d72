/** @file Where a command prints: results on standard output, everything else on standard error. */

export interface Terminal {
  /** A result; a line break follows. */
  print(text: string): void
  /** A sentence for people; the command's name goes in front. */
  complain(text: string): void
  /** Replaces the line that says how far the work is; an empty text takes it away. Nothing where nobody watches. */
  progress(text: string): void
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  let isShown = false
  const hide = (): void => {
    if (isShown) process.stderr.write('\r\u001b[K')
    isShown = false
  }
  return {
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
