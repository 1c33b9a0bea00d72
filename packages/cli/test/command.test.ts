/** @file The command as a user runs it: exit status, what goes where, and the JSON that others rely on. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { BenchReport } from '../src/index.ts'
import { batch, network, run } from './fixtures.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const source = ['--import', 'tsx', '--conditions=@beyondgrad/source']

function beyondgrad(...words: readonly string[]): Ended {
  return spawnSync(process.execPath, [...source, main, ...words], { encoding: 'utf8' })
}

/** The same where some modules are not installed. */
function without(modules: string, ...words: readonly string[]): Ended {
  const hook = `export const resolve = (name, context, next) => {
    if (/${modules}/.test(name)) throw new Error(name + ' is not here')
    return next(name, context)
  }`
  const inModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const register = `import { register } from 'node:module'; register(${JSON.stringify(inModule(hook))})`
  return spawnSync(process.execPath, [...source, '--import', inModule(register), main, ...words], {
    encoding: 'utf8',
  })
}

const small = [
  'bench',
  '--problem',
  'logreg',
  '--batch',
  '4',
  '--engine',
  'reference',
  '--seconds',
  '0.05',
] as const

describe('beyondgrad bench', () => {
  it('prints one JSON document, the gradient first, and nothing else', () => {
    const { status, stdout, stderr } = beyondgrad(
      ...small,
      '--quantities',
      'batch-l2,variance+diag-ggn',
      '--json',
    )
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const report = JSON.parse(stdout) as BenchReport
    expect(report).toMatchObject({ problem: 'logreg', batch: 4, engine: 'reference' })
    expect(report.results.map(({ quantity }) => quantity)).toEqual([
      'gradient',
      'batch-l2',
      'variance+diag-ggn',
    ])
    for (const result of report.results) {
      expect(result.q1_ms).toBeLessThanOrEqual(result.median_ms)
      expect(result.median_ms).toBeLessThanOrEqual(result.q3_ms)
      expect(result.peak_mb).toBeGreaterThan(10)
    }
    expect(report.results[0]!.ratio).toBe(1)
    expect(report.build_us_per_node).toBeGreaterThan(0)
  })

  it('measures the quantities of a plugin, and says what a network does not have', () => {
    const words = [...small, '--plugin', fixture('plugin.ts'), '--quantities', 'gradient-total,impossible']
    const { status, stdout, stderr } = beyondgrad(...words, '--json')
    expect([status, stderr]).toEqual([0, ''])
    const report = JSON.parse(stdout) as BenchReport
    expect(report.results.map(({ quantity }) => quantity)).toEqual(['gradient', 'gradient-total'])
    expect(report.unsupported).toEqual([
      { quantity: 'impossible', message: 'impossible: no network has it; ask for total' },
    ])
    expect(beyondgrad(...words).stdout).toContain('not here: impossible, since impossible: no network has it')
  })

  it.each([
    [
      'no-such-plugin-anywhere',
      /no such file, nor a package of that name here: npm i no-such-plugin-anywhere/,
    ],
    [fixture('colliding.ts'), /its quantity "kfac" is taken by @beyondgrad\/backpack already/],
    [fixture('../command.test.ts'), /does not load|export it as default/],
  ])('--plugin %s is an error that says why', (name, message) => {
    const { status, stdout, stderr } = beyondgrad(...small, '--plugin', name, '--quantities', 'gradient')
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(message)
  })

  it('prints a table for people', () => {
    const { status, stdout } = beyondgrad(...small, '--quantities', 'gradient')
    expect(status).toBe(0)
    expect(stdout).toContain('logreg, batch 4, reference')
    expect(stdout).toMatch(/│ gradient +│ +\d+\.\d\d │/)
  })

  it.each([
    [['bench', '--problem', 'alexnet'], 'there is no problem "alexnet"; there are: logreg, mlp, 2c2d, 3c3d'],
    [['bench', '--quantities', 'gradient,hessian'], 'there is no quantity "hessian"; there are: gradient, '],
    [['bench', '--batch', '0'], '"0" is not a positive integer'],
    [['bench', '--problm', 'mlp'], "unknown option '--problm'"],
    [['bench', '--engine', 'cuda'], "argument 'cuda' is invalid"],
    [['inspct'], 'unknown command'],
  ])('answers %j with exit status 2 and what is wrong', (words, sentence) => {
    const { status, stdout, stderr } = beyondgrad(...words)
    expect(stderr).toContain(sentence)
    expect(stderr).toMatch(/^beyondgrad: [^\n]+\n$/)
    expect(stdout).toBe('')
    expect(status).toBe(2)
  })
})

const quantities = [...batch.slice(0, -2), '--quantities', 'gradient,kflr', '--json']

describe('beyondgrad', () => {
  it('says its version', () => {
    expect(beyondgrad('--version')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    })
  })

  const commands = ['inspect', 'explain', 'quantities', 'extend', 'train', 'conformance', 'bench']

  it('helps with examples, and loads nothing heavy for it', () => {
    const all = without('@beyondgrad|onnxruntime|tensorflow|cli-table3', '--help')
    expect(all).toMatchObject({ status: 0, stderr: '' })
    for (const command of commands) expect(all.stdout).toContain(`  ${command} `)
  })

  it.each(commands)('%s --help has examples, and takes plugins', async (command) => {
    const { status, stdout } = await run(command, '--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(new RegExp(`Examples:\\n  beyondgrad ${command}\\b`))
    expect(stdout).toContain('--plugin <package|file>')
  })

  it('prints one document on standard output, and nothing elsewhere', () => {
    const { status, stdout, stderr } = beyondgrad(...quantities)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout.endsWith('}\n')).toBe(true)
    expect(JSON.parse(stdout)).toMatchObject({ engine: 'onnxruntime', normalizer: 5 })
  })

  it('takes the next best engine where there is no native one, and says so', () => {
    const tfjs = without('onnxruntime-node', ...quantities)
    expect(tfjs).toMatchObject({
      status: 0,
      stderr:
        'beyondgrad: onnxruntime-node does not load, so the tfjs engine computes, which is slower: npm i onnxruntime-node\n',
    })
    expect(JSON.parse(tfjs.stdout)).toMatchObject({ engine: 'tfjs' })
    const reference = without('onnxruntime-node|tensorflow', ...quantities)
    expect(reference.stderr).toContain('so the reference engine computes')
    expect(JSON.parse(reference.stdout)).toMatchObject({ engine: 'reference' })
  })

  it('inspects without any engine', () => {
    const { status, stdout, stderr } = without('onnxruntime|tensorflow', 'inspect', network)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('0.weight [5, 4]')
  })

  it.each([
    [1, ['inspect', 'no.onnx'], /^beyondgrad: [^\n]*no\.onnx can't be read[^\n]*\n$/],
    [2, ['inspect'], /^beyondgrad: missing required argument 'model' [^\n]*\n$/],
  ])('ends with %i for %j, and one line on standard error', (status, words, line) => {
    const ended = beyondgrad(...words)
    expect(ended).toMatchObject({ status, stdout: '' })
    expect(ended.stderr).toMatch(line)
  })
})
