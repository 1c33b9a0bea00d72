/** @file What tests of commands work on: a network with reference values, folders that go away, commands in this process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { type ExitStatus, runCommand } from '../src/program.ts'
import { listeningTerminal } from './terminal.ts'

/** A file that all packages share. */
export const fixture = (path: string): string =>
  fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url))

/** 4-5-3 with ReLU, and a batch of five samples. */
export const network: string = fixture('goldens/mlp/relu_ce_mean/model.onnx')
export const golden: string = fixture('goldens/mlp/relu_ce_mean/golden.json')
/** A network with branches, which KFRA does not go through. */
export const branches: string = fixture('goldens-graphs/residual/graph_mlp')
export const pluginFile: string = fileURLToPath(new URL('fixtures/plugin.ts', import.meta.url))

/** The command's words for a batch of the network above. */
export const batch: readonly string[] = [
  ...['quantities', network, '--input', `${golden}:input`, '--target', `${golden}:target`],
  ...['--loss', 'cross-entropy', '--engine', 'reference'],
]

/** A path in a folder that goes away after the tests of the file. */
export function scratch(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'beyondgrad-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  return (name) => join(folder, name)
}

export interface Ran {
  readonly status: ExitStatus
  readonly stdout: string
  /** A line each. */
  readonly complaints: readonly string[]
}

/** Runs a command in this process. */
export async function run(...words: readonly string[]): Promise<Ran> {
  const terminal = listeningTerminal()
  const status = await runCommand(words, terminal)
  return { status, stdout: terminal.printed.join('\n'), complaints: terminal.complaints }
}

/** The document that a command prints with `--json`; it must have worked, and printed nothing else. */
export async function documentOf<T>(...words: readonly string[]): Promise<T> {
  const { status, stdout, complaints } = await run(...words, '--json')
  if (status !== 0 || complaints.length > 0)
    throw new Error(`exit status ${status}: ${complaints.join('; ')}`)
  return JSON.parse(stdout) as T
}
