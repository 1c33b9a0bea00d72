import { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
export function conformanceCommand(_terminal: Terminal): Command {
  return new Command('conformance')
}
