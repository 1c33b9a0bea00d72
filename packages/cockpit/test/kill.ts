/** @file Kills a process that logs, at some moment, and looks at what it leaves. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readRun } from '../src/node.ts'

const program = fileURLToPath(new URL('./logging-process.ts', import.meta.url))

/** What a killed process leaves: the last step that it told of, and the steps in the log. */
export interface Remains {
  readonly told: number
  readonly steps: readonly number[]
}

/** Lets a process log for so many milliseconds after its first step. */
export async function killedAfter(milliseconds: number): Promise<Remains> {
  const folder = mkdtempSync(join(tmpdir(), 'killed-'))
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--conditions=@beyondgrad/source', program, folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  const ended = new Promise((resolve) => child.on('close', resolve))
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (output === '') resolve()
      output += chunk.toString()
    })
  })
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
  child.kill('SIGKILL')
  await ended
  const told = Number(output.split('\n').at(-2))
  const steps = readRun(folder).steps.map(({ step }) => step)
  rmSync(folder, { recursive: true })
  return { told, steps }
}

/** Whether nothing that was told of is missing, and nothing is there twice or out of order. */
export const isWhole = ({ told, steps }: Remains): boolean =>
  steps.length > told && steps.every((step, i) => step === i)
