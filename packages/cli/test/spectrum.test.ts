/** @file `beyondgrad spectrum`: its document, against the Python library's values; what it draws, writes and refuses. */
import { type JsonArray, readNpz } from '@beyondgrad/io'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { SpectrumDocument } from '../src/spectrum/document.ts'
import { batch, branches, documentOf, fixture, run, scratch } from './fixtures.ts'

const path = scratch()
const words = ['spectrum', ...batch.slice(1)]

interface Entry {
  readonly group: readonly string[]
  readonly subsampling?: unknown
  readonly evals: { readonly data: readonly number[] }
}

interface Golden {
  readonly loss: { readonly type: string; readonly reduction: string }
  readonly vivit: { readonly eigvalsh: readonly Entry[] }
}

/** Within so much of the largest; what one side leaves out is zero. */
function close(found: readonly number[], expected: readonly number[], rtol: number): void {
  const largest = Math.max(...expected)
  const count = Math.max(found.length, expected.length)
  const padded = (list: readonly number[]): number[] => [
    ...Array<number>(count - list.length).fill(0),
    ...list,
  ]
  const ours = padded(found)
  padded(expected).forEach((value, i) => expect(Math.abs(ours[i]! - value) / largest).toBeLessThan(rtol))
}

describe('beyondgrad spectrum', () => {
  it.each(['mlp_ce', 'mlp_mse', 'cnn_ce', 'cnn_mse'])(
    'agrees with the reference values: %s',
    async (name) => {
      const folder = fixture(`goldens-vivit/${name}`)
      const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as Golden
      const loss = golden.loss.type === 'CrossEntropyLoss' ? 'cross-entropy' : 'mse'
      const found = await documentOf<SpectrumDocument>(
        ...['spectrum', `${folder}/model.onnx`, '--input', `${folder}/golden.json:input`],
        ...['--target', `${folder}/golden.json:target`, '--loss', loss, '--reduction', golden.loss.reduction],
        ...['--engine', 'reference'],
      )
      expect(Object.keys(found)).toEqual(['loss', 'groups'])
      const [{ parameters, eigenvalues }] = found.groups as [SpectrumDocument['groups'][0]]
      expect(found.groups).toHaveLength(1)
      const whole = golden.vivit.eigvalsh.filter(
        ({ group, subsampling }) => group.length === parameters.length && !subsampling,
      )
      expect(whole.length).toBeGreaterThan(0)
      for (const { evals } of whole) close(eigenvalues, evals.data, 2e-6)
      expect(eigenvalues).toEqual(eigenvalues.toSorted((a, b) => a - b))
    },
  )

  it('has the largest with their eigenvectors, by group, and writes what it prints', async () => {
    const asked = [...words, '--top', '2', '--groups', 'layer']
    const printed = await documentOf<SpectrumDocument>(...asked, '--out', path('top.json'))
    expect(JSON.parse(readFileSync(path('top.json'), 'utf8'))).toEqual(printed)
    expect(printed.groups.map(({ parameters }) => parameters)).toEqual([
      ['0.weight', '0.bias'],
      ['2.weight', '2.bias'],
    ])
    const all = await documentOf<SpectrumDocument>(...words, '--groups', 'layer')
    printed.groups.forEach(({ eigenvalues, eigenvectors }, group) => {
      close(eigenvalues, all.groups[group]!.eigenvalues.slice(-2), 1e-9)
      const vectors = Object.values<JsonArray>(eigenvectors!)
      const squares = [0, 1].map((k) =>
        vectors.reduce((total, { shape, data }) => {
          expect(shape[0]).toBe(2)
          const size = data.length / 2
          return total + (data as number[]).slice(k * size, (k + 1) * size).reduce((sum, x) => sum + x * x, 0)
        }, 0),
      )
      squares.forEach((square) => expect(square).toBeCloseTo(1, 5))
    })
    expect(all.groups[0]!.eigenvectors).toBeUndefined()
    await run(...asked, '--out', path('top.npz'))
    const npz = await readNpz(path('top.npz'))
    expect(npz['1/eigenvectors/2.weight']!.shape).toEqual([2, 3, 5])
    expect([...npz['0/eigenvalues']!.data]).toEqual(printed.groups[0]!.eigenvalues)
    expect([...npz.loss!.data]).toEqual([printed.loss])
  })

  it('draws by the seed, and goes through branches', async () => {
    const of = (...more: string[]): Promise<SpectrumDocument> =>
      documentOf(...words, '--mc-samples', '1', ...more)
    expect(await of('--seed', '1')).toEqual(await of('--seed', '1'))
    expect((await of('--seed', '1')).groups[0]!.eigenvalues).toHaveLength(5)
    expect(await of('--seed', '1')).not.toEqual(await of('--seed', '2'))
    const residual = await documentOf<SpectrumDocument>(
      ...['spectrum', `${branches}/model.onnx`, '--input', `${branches}/golden.json:input`],
      ...['--target', `${branches}/golden.json:target`, '--loss', 'cross-entropy', '--engine', 'reference'],
    )
    expect(residual.groups[0]!.eigenvalues.at(-1)).toBeGreaterThan(0)
  })

  it('has a table and a plot for people', async () => {
    const { status, stdout } = await run(...words, '--groups', 'layer')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^loss 1\.4626.*, on reference\n/)
    expect(stdout).toContain('0.weight, 0.bias')
    expect(stdout).toContain('gram')
    expect(stdout).toContain('group 1: eigenvalue by rank')
    expect(stdout).toMatch(/[\u2801-\u28ff]/)
  })

  it.each([
    [['--top', '0'], '"0" is not a positive integer'],
    [['--groups', 'nets'], 'Allowed choices are all, layer, parameter'],
    [['--out', 'spectrum.txt'], 'spectrum.txt'],
  ])('refuses %j', async (more, message) => {
    const { status, complaints } = await run(...words, ...more)
    expect(status).toBe(2)
    expect(complaints.join()).toContain(message)
  })
})
