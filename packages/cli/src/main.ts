#!/usr/bin/env node
/** @file The `beyondgrad` command. Exit status: 0 done, 2 wrong usage, 1 anything else; errors are one line. */
import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { benchCommand } from './bench/command.ts'
import { serveMeasurements } from './bench/worker.ts'
import { UsageError } from './usage-error.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('beyondgrad')
  .description('Everything beyond the gradient: what it costs here.')
  .version(version)
  .addCommand(benchCommand())

async function main(): Promise<void> {
  // A process that the bench command has started to measure one quantity.
  if (process.env.BEYONDGRAD_BENCH_WORKER !== undefined) return serveMeasurements()
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      // One line, suggestion included.
      outputError: (text, write) =>
        write(
          `${text
            .trim()
            .replace(/^error:/, 'beyondgrad:')
            .replace(/\s*\n\s*/g, ' ')} (--help tells more)\n`,
        ),
    })
  }
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2
      return
    }
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`beyondgrad: ${message.split('\n')[0]}\n`)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}

await main()
