/** @file A terminal that remembers what a command prints. */
import type { Terminal } from '../src/terminal.ts'

export interface ListeningTerminal extends Terminal {
  readonly printed: string[]
  readonly complaints: string[]
}

export function listeningTerminal(): ListeningTerminal {
  const printed: string[] = []
  const complaints: string[] = []
  return {
    printed,
    complaints,
    print: (text) => void printed.push(text),
    complain: (text) => void complaints.push(text.split('\n')[0]!),
    progress: () => undefined,
  }
}
