import { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
export function trainCommand(_terminal: Terminal): Command {
  return new Command('train')
}
