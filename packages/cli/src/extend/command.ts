import { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
export function extendCommand(_terminal: Terminal): Command {
  return new Command('extend')
}
