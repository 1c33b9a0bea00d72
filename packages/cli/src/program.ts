/** @file The command line as a function: words in, exit status out. Commands load what they need when they run. */
import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { benchCommand } from './bench/command.ts'
import { cockpitCommand } from './cockpit/command.ts'
import { conformanceCommand } from './conformance/command.ts'
import { explainCommand } from './explain/command.ts'
import { extendCommand } from './extend/command.ts'
import { inspectCommand } from './inspect/command.ts'
import { quantitiesCommand } from './quantities/command.ts'
import { spectrumCommand } from './spectrum/command.ts'
import type { Terminal } from './terminal.ts'
import { trainCommand } from './train/command.ts'
import { UsageError } from './usage-error.ts'

/** 0 done, 2 wrong usage, 1 anything else. */
export type ExitStatus = 0 | 1 | 2

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** Runs one command. Whatever goes wrong is one sentence on the terminal, and the exit status. */
export async function runCommand(words: readonly string[], terminal: Terminal): Promise<ExitStatus> {
  try {
    if (words.length === 0)
      throw new UsageError('name a command, as in beyondgrad inspect model.onnx (--help tells more)')
    await programFor(terminal).parseAsync(words, { from: 'user' })
    return 0
  } catch (error) {
    // Its own sentence was printed already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    terminal.complain(error instanceof Error ? error.message : String(error))
    return error instanceof UsageError ? 2 : 1
  }
}

function programFor(terminal: Terminal): Command {
  const program = new Command('beyondgrad')
    .description('Everything beyond the gradient, for models in ONNX files.')
    .version(version)
    .addCommand(inspectCommand(terminal))
    .addCommand(explainCommand(terminal))
    .addCommand(quantitiesCommand(terminal))
    .addCommand(spectrumCommand(terminal))
    .addCommand(extendCommand(terminal))
    .addCommand(trainCommand(terminal))
    .addCommand(cockpitCommand(terminal))
    .addCommand(conformanceCommand(terminal))
    .addCommand(benchCommand(terminal))
    .addHelpText(
      'after',
      `
Examples:
  beyondgrad inspect model.onnx
  beyondgrad quantities model.onnx --input x.npy --target y.npy --loss cross-entropy --quantities gradient,variance
  beyondgrad bench --problem 3c3d`,
    )
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      // One line, suggestion included.
      outputError: (text) =>
        terminal.complain(
          `${text
            .trim()
            .replace(/^error: /, '')
            .replace(/\s*\n\s*/g, ' ')} (--help tells more)`,
        ),
    })
  }
  return program
}
