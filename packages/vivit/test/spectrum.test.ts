/** @file Spectra against dense matrices; what is degenerate, empty or tiny; networks of every kind. */
import { crossEntropy, ggnvp, gradient, mseLoss, parametersOf } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import {
  evaluate,
  eye,
  lift,
  namedMap,
  placeholder,
  referenceEngine,
  reshape,
  sizeOf,
  slice,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import {
  directionalDampedNewton,
  directionalDerivatives,
  eigh,
  ggnEigenpairs,
  ggnSpectrum,
  signalToNoise,
} from '../src/index.ts'
import { data, labels, networks } from './networks.ts'

const engine = referenceEngine()

/** The whole matrix, by its products with unit vectors. */
async function denseGGN(loss: Tensor): Promise<{ readonly matrix: Float64Array; readonly size: number }> {
  const leaves = [...parametersOf([loss])]
  const stands = leaves.map(([p]) => placeholder(p.shape, 'float32', 'vector'))
  const size = leaves.reduce((sum, [p]) => sum + sizeOf(p.shape), 0)
  let from = 0
  const units = new Map(
    leaves.map(([p], i) => {
      const to = from + sizeOf(p.shape)
      const rows = reshape(slice(eye(size), 1, from, to), [size, ...p.shape])
      from = to
      return [stands[i]!, rows] as const
    }),
  )
  const product = ggnvp(loss, namedMap(leaves.map(([p], i) => [p, stands[i]!] as const)))
  const { results } = lift(
    [...product].map(([, x]) => x),
    units,
    size,
  )
  const rows = await evaluate(results as Tensor[], { engine })
  const matrix = new Float64Array(size * size)
  let column = 0
  for (const { data: values } of rows) {
    const width = values.length / size
    for (let i = 0; i < size; i++)
      for (let j = 0; j < width; j++) matrix[i * size + column + j] = values[i * width + j]!
    column += width
  }
  return { matrix, size }
}

describe.each(networks)('$name', ({ loss }) => {
  it.each(['mean', 'sum'] as const)(
    'all eigenvalues are those of the dense matrix: %s',
    async (reduction) => {
      const whole = loss(reduction)
      const { groups, loss: value } = await ggnSpectrum(whole, { engine })
      const { matrix, size } = await denseGGN(whole)
      const expected = eigh(matrix, size).values
      const [{ eigenvalues, dimension, noise }] = groups as [(typeof groups)[0]]
      expect(dimension).toBe(size)
      const largest = expected.at(-1)!
      eigenvalues.forEach((x, i) => {
        const other = expected[size - eigenvalues.length + i]!
        expect(Math.abs(x - other) / largest).toBeLessThan(1e-9)
      })
      // What is not listed is zero.
      for (const rest of expected.subarray(0, size - eigenvalues.length))
        expect(rest / largest).toBeLessThan(1e-9)
      expect(noise).toBeLessThan(1e-3 * largest)
      expect(value).toBeCloseTo(Number((await evaluate({ whole }, { engine })).whole.data[0]), 10)
    },
  )

  it.each(['mean', 'sum'] as const)(
    '6: means of γ and λ are slope and eigenvalue, the step solves the system: %s',
    async (reduction) => {
      const whole = loss(reduction)
      const damping = 0.3
      const { groups, step } = await directionalDampedNewton(whole, {
        engine,
        groups: 'layer',
        criterion: { top: 3 },
        damping,
      })
      const slopes = await evaluate({ slopes: gradient(whole) }, { engine })
      for (const { parameters, vectors, gammas, lambdas, values, lengths } of groups) {
        const [samples, count] = gammas.shape as [number, number]
        const over = (x: typeof gammas, k: number): number => {
          const sum = Array.from({ length: samples }, (_, n) => x.data[n * count + k]!).reduce(
            (a, b) => a + b,
            0,
          )
          return reduction === 'mean' ? sum / samples : sum
        }
        for (let k = 0; k < count; k++) {
          const dot = (other: (name: string) => ArrayLike<number>): number =>
            parameters.reduce((total, { name, shape }) => {
              const size = sizeOf(shape)
              const vector = vectors.get(name).data.subarray(k * size, (k + 1) * size)
              return total + vector.reduce((sum, x, i) => sum + x * other(name)[i]!, 0)
            }, 0)
          const slope = dot((name) => slopes.slopes.get(name).data)
          expect(over(gammas, k)).toBeCloseTo(slope, 6)
          expect(over(lambdas, k) / values[k]!).toBeCloseTo(1, 5)
          expect(lengths[k]).toBeCloseTo(-slope / (values[k]! + damping), 5)
          // Unit vectors, orthogonal to each other: the step's part along each is its length.
          expect(dot((name) => step.get(name).data)).toBeCloseTo(lengths[k]!, 5)
        }
      }
    },
  )

  it('agrees with itself on onnxruntime, and group by group', async () => {
    const whole = loss('mean')
    for (const grouping of ['all', 'layer', 'parameter'] as const) {
      const [ours, native] = [
        await ggnSpectrum(whole, { engine, groups: grouping }),
        await ggnSpectrum(whole, { engine: onnxruntime(), groups: grouping }),
      ]
      expect(native.groups).toHaveLength(ours.groups.length)
      ours.groups.forEach(({ eigenvalues }, i) => {
        const largest = eigenvalues.at(-1)!
        eigenvalues.forEach((x, k) =>
          expect(Math.abs(native.groups[i]!.eigenvalues[k]! - x)).toBeLessThan(1e-5 * largest + 1e-12),
        )
      })
    }
  })
})

describe('what is degenerate', () => {
  it('one sample, one class, one output', async () => {
    const one = crossEntropy(Linear(3, 3, { seed: 1 })(data('x', [1, 3])), labels(1, 3))
    expect((await ggnSpectrum(one, { engine })).groups[0]!.eigenvalues).toHaveLength(2)
    const single = mseLoss(Linear(3, 1, { seed: 1 })(data('x', [4, 3])), data('y', [4, 1]))
    const { groups } = await directionalDerivatives(single, { engine, criterion: { top: 9 } })
    expect(groups[0]!.values.length).toBe(4)
    // With one class there is nothing to learn: no columns, no eigenvalues, no directions.
    const certain = crossEntropy(Linear(3, 1, { seed: 1 })(data('x', [2, 3])), labels(2, 1))
    const none = await directionalDampedNewton(certain, { engine, damping: 1 })
    expect(none.groups[0]!.eigenvalues.every((x) => x === 0)).toBe(true)
    expect(none.groups[0]!.indices).toEqual([])
    expect([...none.step.get('weight').data]).toEqual([0, 0, 0])
  })

  it('eigenvalues that are equal: any basis of their space will do', async () => {
    // The output's own bias: G = (2 / D) I.
    const model = Linear(2, 3, { seed: 1 })
    const loss = mseLoss(model(data('x', [4, 2])), data('y', [4, 3]))
    const { groups } = await ggnEigenpairs(loss, { engine, groups: [['bias']], criterion: { top: 3 } })
    const [{ values, vectors }] = groups as [(typeof groups)[0]]
    values.forEach((x) => expect(x).toBeCloseTo(2 / 3, 6))
    const e = vectors.get('bias').data
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) {
        const inner = [0, 1, 2].reduce((sum, k) => sum + e[i * 3 + k]! * e[j * 3 + k]!, 0)
        expect(inner).toBeCloseTo(i === j ? 1 : 0, 5)
      }
  })

  it('inputs of zeros: the weight has no curvature, and says so by zeros', async () => {
    const model = Linear(2, 2, { seed: 1 })
    const loss = mseLoss(model(data('x', [3, 2], 0)), data('y', [3, 2]))
    const { groups } = await ggnEigenpairs(loss, { engine, groups: 'parameter', criterion: { above: 0 } })
    const weight = groups.find(({ parameters }) => parameters[0]!.name === 'weight')!
    expect(weight.eigenvalues.every((x) => x === 0)).toBe(true)
    expect(weight.indices).toEqual([])
  })

  it('a tiny loss has tiny eigenvalues and the same directions', async () => {
    const model = Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 2, { seed: 2 }))
    const loss = mseLoss(model(data('x', [4, 3])), data('y', [4, 2]))
    const options = { engine, criterion: { top: 2 } }
    const [plain, tiny] = [await ggnEigenpairs(loss, options), await ggnEigenpairs(loss.mul(1e-12), options)]
    plain.groups[0]!.values.forEach((x, k) =>
      expect(tiny.groups[0]!.values[k]! / (x * 1e-12)).toBeCloseTo(1, 6),
    )
    const [a, b] = [plain, tiny].map(({ groups }) => groups[0]!.vectors.get('0.weight').data) as [
      Float64Array,
      Float64Array,
    ]
    a.forEach((x, i) => expect(b[i]).toBeCloseTo(x, 5))
  })

  it('signal to noise: agreement is infinite, one sample has none', () => {
    const found = signalToNoise({ shape: [2, 3], data: Float64Array.from([1, 3, 0, 3, 3, 0]) })
    expect([...found]).toEqual([2, Infinity, NaN])
    expect(signalToNoise({ shape: [1, 1], data: Float64Array.from([4]) })[0]).toBeNaN()
  })
})

describe('what is wrong is said', () => {
  const model = Sequential(Linear(3, 2, { seed: 1 }))
  const loss = mseLoss(model(data('x', [4, 3])), data('y', [4, 2]))

  it.each([
    [{ groups: [['0.wight']] }, 'there is no parameter "0.wight" here; there are "0.weight", "0.bias"'],
    [{ groups: [[]] }, 'group 1 has no parameters'],
    [{ groups: [['0.bias'], ['0.bias']] }, '"0.bias" is in two groups'],
    [
      { groups: 'layers' as never },
      'groups is "all", "layer", "parameter" or lists of parameters, not "layers"',
    ],
    [{ curvatureSamples: [] }, 'takes the indices of at least one sample'],
    [{ curvatureSamples: [4] }, /4/],
  ] as const)('%o', async (options, message) => {
    await expect(ggnSpectrum(loss, { engine, ...options })).rejects.toThrow(message)
  })

  it.each([
    [{ top: -1 }, 'top must be a number of eigenvalues from 0, not -1'],
    [{ above: NaN }, 'above must be a fraction from 0 to 1, not NaN'],
    [() => [99], 'there is no eigenvalue 99 among'],
  ] as const)('%o', async (criterion, message) => {
    await expect(ggnEigenpairs(loss, { engine, criterion })).rejects.toThrow(message)
  })

  it('directions of zero, dampings that leave nothing, cancelled runs', async () => {
    const flat = mseLoss(model(data('x', [4, 3], 0)), data('y', [4, 2]))
    await expect(
      ggnEigenpairs(flat, { engine, groups: [['0.weight']], criterion: () => [0] }),
    ).rejects.toThrow(/eigenvalue 0 is 0, which is zero within rounding/)
    await expect(
      directionalDampedNewton(loss, { engine, damping: -99, criterion: { top: 1 } }),
    ).rejects.toThrow(/choose a larger damping/)
    await expect(ggnSpectrum(loss, { engine, signal: AbortSignal.abort() })).rejects.toThrow(/cancelled/)
  })

  it('tells what it is doing', async () => {
    const steps: string[] = []
    await ggnEigenpairs(loss, {
      engine,
      groups: 'parameter',
      onProgress: (p) => steps.push(`${p.step} ${p.group ?? ''}`),
    })
    expect(steps).toEqual(['matrix ', 'eigenvalues 0', 'eigenvalues 1', 'directions '])
  })
})
