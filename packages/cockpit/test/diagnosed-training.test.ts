/** @file The diagnosis of real trainings, as a page asks for it while they run: a healthy one, and some with a planted fault. */
import { describe, expect, it } from 'vitest'
import { images } from '../bench/alarms/data.ts'
import { rawPixels, wrongLabels } from '../bench/alarms/faults.ts'
import { runOf, type Training } from '../bench/alarms/training.ts'
import { diagnose, economy, type Finding, GradHist1d } from '../src/index.ts'

const data = await images('mnist', 1000)

/** What is said at every 25th step of a training on digits. */
async function saidOf(change: Partial<Training>): Promise<readonly (readonly Finding[])[]> {
  const run = await runOf({
    network: 'mlp',
    data,
    seed: 1,
    optimizer: 'adam',
    learningRate: 0.003,
    steps: 150,
    instruments: economy(),
    ...change,
  })
  return [25, 50, 75, 100, 125, 150].map((end) => diagnose({ ...run, steps: run.steps.slice(0, end) }))
}

const loud = (findings: readonly Finding[]): string[] =>
  findings.filter(({ severity }) => severity !== 'note').map(({ rule }) => rule)

describe('trainings on digits', () => {
  it('are quiet where they are healthy', async () => {
    expect((await saidOf({})).flatMap(loud)).toEqual([])
  })

  it('say it at once where pixels are raw', async () => {
    const said = await saidOf({ data: rawPixels(data), learningRate: 0.0003 })
    expect(said.every((findings) => loud(findings).includes('badly-scaled-inputs'))).toBe(true)
  })

  it('name samples of wrong labels', async () => {
    const { data: spoilt, wrong } = wrongLabels(data, 0.2, 1)
    const last = (await saidOf({ data: spoilt })).at(-1)!
    const finding = last.find(({ rule }) => rule === 'wrong-labels')!
    expect(finding.evidence[1]!.value).toBeGreaterThan(0.1)
    expect(finding.evidence[1]!.value).toBeLessThan(0.25)
    expect(finding.samples!.filter((sample) => wrong.has(sample)).length).toBeGreaterThanOrEqual(17)
  })

  it('say where gradients vanish, by norms and by histograms', async () => {
    const instruments = [
      ...economy().filter(({ name }) => name !== 'GradHist1d'),
      GradHist1d({ perParameter: true }),
    ]
    const sigmoids = {
      network: 'sigmoids',
      optimizer: 'sgd',
      learningRate: 0.1,
      steps: 50,
      instruments,
    } as const
    const run = await runOf({ ...sigmoids, data, seed: 1 })
    const [finding] = diagnose(run)
    expect(finding).toMatchObject({
      rule: 'vanishing-gradients',
      parameters: ['1.weight', '3.weight', '5.weight'],
    })
    // Left out beside its cause, it is there all the same.
    const shapeless = { ...run, header: { ...run.header!, parameters: [] } }
    expect(diagnose(shapeless).map(({ rule }) => rule)).toContain('gradient-in-one-bin')
  })
})
