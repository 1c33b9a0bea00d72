import { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
export function explainCommand(_terminal: Terminal): Command {
  return new Command('explain')
}
