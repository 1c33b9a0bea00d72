/** @file ViViT's reference values, computed by the Python library in double precision. */
import { crossEntropy, mseLoss, type Reduction } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { importOnnx } from '@beyondgrad/onnx-import'
import { type Engine, intTensor, referenceEngine, tensor, type Tensor } from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { directionalDampedNewton, directionalDerivatives, ggnEigenpairs, ggnSpectrum } from '../src/index.ts'

interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Entry {
  readonly group: readonly string[]
  readonly subsampling?: readonly number[] | null
  readonly subsampling_grad?: readonly number[] | null
  readonly subsampling_ggn?: readonly number[] | null
  readonly criterion: string
  readonly damping: number
  readonly evals: Values
  readonly evecs: Readonly<Record<string, Values>>
  readonly dense_spectrum: Values
  readonly gammas: Values
  readonly lambdas: Values
  readonly step: Readonly<Record<string, Values>>
}

interface Golden {
  readonly loss: { readonly type: string; readonly reduction: Reduction }
  readonly input: Values
  readonly target: Values
  readonly vivit: Readonly<
    Record<'eigvalsh' | 'eigh' | 'directional_derivatives' | 'damped_newton', readonly Entry[]>
  >
}

const root = fileURLToPath(new URL('../../../fixtures/goldens-vivit/', import.meta.url))

const floats = ({ shape, data }: Values): Tensor =>
  tensor(Float32Array.from(data), { shape, dtype: 'float32' })

async function caseOf(name: string): Promise<{ readonly golden: Golden; readonly loss: Tensor }> {
  const golden = JSON.parse(readFileSync(`${root}${name}/golden.json`, 'utf8')) as Golden
  const model = await importOnnx(new Uint8Array(readFileSync(`${root}${name}/model.onnx`)))
  const output = (model as unknown as (x: Tensor) => Tensor)(floats(golden.input))
  const { reduction } = golden.loss
  const loss =
    golden.loss.type === 'CrossEntropyLoss'
      ? crossEntropy(output, intTensor(golden.target.data), { reduction })
      : mseLoss(output, floats(golden.target), { reduction })
  return { golden, loss }
}

/** Everything within `rtol` of the largest entry. */
function close(found: ArrayLike<number>, expected: ArrayLike<number>, rtol: number, what: string): void {
  expect(found.length, what).toBe(expected.length)
  const scale = Math.max(1e-12, ...Array.from(expected, Math.abs))
  for (let i = 0; i < expected.length; i++) {
    expect(Math.abs(found[i]! - expected[i]!) / scale, `${what}, entry ${i}`).toBeLessThan(rtol)
  }
}

/** Eigenvalues that are more than zero, as far as they are told: the others are rounding noise on both sides. */
function closeSpectra(found: Float64Array, expected: readonly number[], rtol: number, what: string): void {
  const largest = Math.max(...expected)
  const count = Math.max(found.length, expected.length)
  const padded = (values: ArrayLike<number>): number[] => [
    ...Array<number>(count - values.length).fill(0),
    ...Array.from(values),
  ]
  close(padded(found), padded(expected), rtol, what)
  expect(found.at(-1)! / largest).toBeCloseTo(1, 4)
}

const optional = <K extends string>(
  key: K,
  list: readonly number[] | null | undefined,
): Record<K, readonly number[]> => (list ? { [key]: list } : {}) as Record<K, readonly number[]>

const topOf = (criterion: string): number => Number(/^top-(\d+)$/.exec(criterion)![1])

const engines: readonly { readonly name: string; readonly engine: Engine; readonly rtol: number }[] = [
  { name: 'reference engine', engine: referenceEngine(), rtol: 2e-6 },
  { name: 'onnxruntime', engine: onnxruntime(), rtol: 2e-4 },
]

describe.each(engines)('on the $name', ({ engine, rtol }) => {
  describe.each(readdirSync(root))('%s', (name) => {
    it('eigenvalues', async () => {
      const { golden, loss } = await caseOf(name)
      for (const { group, subsampling, evals, dense_spectrum } of golden.vivit.eigvalsh) {
        const { groups } = await ggnSpectrum(loss, {
          engine,
          groups: [group],
          ...optional('curvatureSamples', subsampling),
        })
        const what = `${group.join(' ')} ${String(subsampling)}`
        closeSpectra(groups[0]!.eigenvalues, evals.data, rtol, what)
        closeSpectra(groups[0]!.eigenvalues, dense_spectrum.data, rtol, what)
        expect(groups[0]!.dimension).toBe(dense_spectrum.data.length)
      }
    })

    it('eigenpairs', async () => {
      const { golden, loss } = await caseOf(name)
      for (const { group, subsampling, criterion, evals, evecs } of golden.vivit.eigh) {
        const top = topOf(criterion)
        const { groups } = await ggnEigenpairs(loss, {
          engine,
          groups: [group],
          criterion: { top },
          ...optional('curvatureSamples', subsampling),
        })
        const [found] = groups
        close(found!.values, evals.data, rtol, 'values')
        for (let k = 0; k < top; k++) {
          const [ours, theirs] = [
            Object.keys(evecs).map((key) => found!.vectors.get(key)),
            Object.values(evecs),
          ].map((all) => all.flatMap(({ shape, data }) => row(data, shape, k))) as [number[], number[]]
          close(alike(ours, theirs), theirs, 30 * rtol, `vector ${k} of ${group.join(' ')}`)
          expect(Math.hypot(...ours)).toBeCloseTo(1, 5)
        }
      }
    })

    it('directional derivatives', async () => {
      const { golden, loss } = await caseOf(name)
      for (const entry of golden.vivit.directional_derivatives) {
        const { groups } = await directionalDerivatives(loss, {
          engine,
          groups: [entry.group],
          criterion: { top: topOf(entry.criterion) },
          ...optional('gradientSamples', entry.subsampling_grad),
          ...optional('curvatureSamples', entry.subsampling_ggn),
        })
        const { gammas, lambdas } = groups[0]!
        expect(gammas.shape).toEqual(entry.gammas.shape)
        expect(lambdas.shape).toEqual(entry.lambdas.shape)
        close(lambdas.data, entry.lambdas.data, 30 * rtol, 'lambdas')
        for (let k = 0; k < gammas.shape[1]!; k++) {
          const [ours, theirs] = [gammas, entry.gammas].map(({ data, shape }) => column(data, shape, k)) as [
            number[],
            number[],
          ]
          close(alike(ours, theirs), theirs, 30 * rtol, `gamma ${k}`)
        }
      }
    })

    it('damped Newton steps', async () => {
      const { golden, loss } = await caseOf(name)
      for (const entry of golden.vivit.damped_newton) {
        const { step } = await directionalDampedNewton(loss, {
          engine,
          groups: [entry.group],
          criterion: { top: topOf(entry.criterion) },
          damping: entry.damping,
          ...optional('gradientSamples', entry.subsampling_grad),
          ...optional('curvatureSamples', entry.subsampling_ggn),
        })
        const names = Object.keys(entry.step)
        close(
          names.flatMap((key) => Array.from(step.get(key).data)),
          names.flatMap((key) => entry.step[key]!.data),
          30 * rtol,
          `step of ${names.join(' ')}`,
        )
      }
    })
  })
})

function row(data: ArrayLike<number>, shape: readonly number[], k: number): number[] {
  const size = data.length / shape[0]!
  return Array.from({ length: size }, (_, i) => data[k * size + i]!)
}

const column = (data: ArrayLike<number>, [rows, columns]: readonly number[], k: number): number[] =>
  Array.from({ length: rows! }, (_, n) => data[n * columns! + k]!)

/** With the other's sign. */
function alike(ours: readonly number[], theirs: readonly number[]): number[] {
  const sign = ours.reduce((sum, x, i) => sum + x * theirs[i]!, 0) < 0 ? -1 : 1
  return ours.map((x) => sign * x)
}
