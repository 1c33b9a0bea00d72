#!/usr/bin/env node
/** @file The `beyondgrad` command. Exit status: 0 done, 2 wrong usage, 1 anything else; errors are one line. */
import { runCommand } from './program.ts'
import { processTerminal } from './terminal.ts'

async function main(): Promise<void> {
  // A process that the bench command has started to measure one quantity.
  if (process.env.BEYONDGRAD_BENCH_WORKER !== undefined) {
    return (await import('./bench/worker.ts')).serveMeasurements()
  }
  // Whoever reads may stop reading, as `| head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1)
  })
  process.exitCode = await runCommand(process.argv.slice(2), processTerminal())
}

await main()
