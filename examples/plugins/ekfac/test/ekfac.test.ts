import { backward, checkPlugin, crossEntropy, mseLoss, type Module, parameter } from '@beyondgrad/autograd'
import { KFLR, SqrtGGNMC } from '@beyondgrad/backpack'
import { Conv2d, Flatten, Linear, moduleOf, Sequential, Tanh } from '@beyondgrad/nn'
import {
  type AnyTensor,
  cast,
  convTranspose,
  evaluate,
  gather,
  intTensor,
  type NDArray,
  reshape,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { bruteForce, type Problem } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import plugin, { ekfac, type EKFACBlock } from '../src/index.ts'

type Dense = number[][]

const wave = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(12.9 * (i + 1) * seed))
const data = (shape: readonly number[], seed: number): Tensor =>
  tensor({ shape, dtype: 'float32', data: wave(shape, seed) })

function classification(model: Module, input: readonly number[], samples: number, seed: number): Problem {
  const targets = intTensor(Array.from({ length: samples }, (_, n) => (n * 7 + seed) % 3))
  const loss = (output: Tensor, target: AnyTensor): Tensor => crossEntropy(output, target as Tensor<'int32'>)
  return { model, loss, inputs: data([samples, ...input], seed), targets }
}

function regression(model: Module, inputs: Tensor, outputs: readonly number[]): Problem {
  const loss = (output: Tensor, target: AnyTensor): Tensor => mseLoss(output, target as Tensor)
  return { model, loss, inputs, targets: data([inputs.shape[0]!, ...outputs], 9) }
}

/** A weight that is no layer of nn's. */
function withWeight(shape: readonly number[], forward: (x: Tensor, weight: Tensor) => Tensor): Module {
  const weight = parameter('weight', { shape, dtype: 'float32', data: wave(shape, 2) })
  return moduleOf((x: Tensor) => forward(x, weight.value), [weight])
}

const mlp = (seed: number): Module =>
  Sequential(Linear(3, 4, { seed }), Tanh(), Linear(4, 3, { seed: seed + 50 }))
const grouped = (): Module =>
  Sequential(Conv2d(4, 4, 2, { groups: 2, seed: 1 }), Tanh(), Flatten(), Linear(16, 3, { seed: 2 }))
const transposed = (): Module =>
  withWeight([4, 2, 2, 2], (x, w) => convTranspose(x, w, { groups: 2, stride: 2 }).tanh().sum([2]))
const table = (): Module =>
  withWeight([3, 2], (x, w) =>
    gather(w, cast(x, 'int32'))
      .tanh()
      .sum([1], { keep: true })
      .mul(x.mean([1]).reshape([-1, 1, 1]).add(1)),
  )

const networks: readonly (readonly [string, () => Problem])[] = [
  ['two layers', () => classification(mlp(1), [3], 5, 1)],
  [
    'a weight with positions',
    () =>
      classification(
        Sequential(
          mlp(2),
          moduleOf((x: Tensor) => x.mean([1])),
        ),
        [4, 3],
        5,
        2,
      ),
  ],
  ['a convolution with groups', () => classification(grouped(), [4, 3, 3], 5, 3)],
  ['a transposed convolution with groups', () => regression(transposed(), data([3, 4, 2, 2], 4), [4, 4])],
  [
    'a table',
    () =>
      regression(
        table(),
        tensor([
          [0, 1, 1],
          [2, 1, 0],
          [1, 1, 1],
        ]),
        [1, 2],
      ),
  ],
]

/** Row-major [rows, columns], of one group. */
const rowsOf = ({ shape, data: all }: NDArray, group = 0): Dense => {
  const size = shape.at(-1)!
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => all[(group * size + i) * size + j]!),
  )
}

/**
 * Eigenvectors as the basis says, in entries of the parameter, each with its eigenvalue.
 *
 * @param at from (group, output, input) to the entry
 */
function eigenpairs(
  block: EKFACBlock,
  entries: number,
  at: (g: number, o: number, i: number) => number,
): { vector: number[]; value: number }[] {
  const { basisOutput, basisInput, eigenvalues } = block
  const groups = basisOutput.shape.length === 3 ? basisOutput.shape[0]! : 1
  const [out, inner] = [basisOutput.shape.at(-1)!, basisInput?.shape.at(-1) ?? 1]
  const pairs: { vector: number[]; value: number }[] = []
  for (let g = 0; g < groups; g++) {
    const q = rowsOf(basisOutput, g)
    const r = basisInput === undefined ? [[1]] : rowsOf(basisInput, g)
    for (let o = 0; o < out; o++) {
      for (let i = 0; i < inner; i++) {
        const vector = Array<number>(entries).fill(0)
        for (let a = 0; a < out; a++)
          for (let b = 0; b < inner; b++) vector[at(g, a, b)] = q[a]![o]! * r[b]![i]!
        pairs.push({ vector, value: eigenvalues.data[(g * out + o) * inner + i]! })
      }
    }
  }
  return pairs
}

/** Of the parameter with this name in these networks. */
function pairsOf(
  name: string,
  problem: string,
  block: EKFACBlock,
  shape: readonly number[],
): { vector: number[]; value: number }[] {
  const entries = shape.reduce((a, b) => a * b, 1)
  if (problem === 'a table') {
    const q = rowsOf(block.basisOutput)
    return Array.from({ length: 6 }, (_, k) => {
      const [row, e] = [Math.floor(k / 2), k % 2]
      const vector = Array.from({ length: 6 }, (__, p) => (Math.floor(p / 2) === row ? q[p % 2]![e]! : 0))
      return { vector, value: block.eigenvalues.data[k]! }
    })
  }
  const [out, inner] = [block.basisOutput.shape.at(-1)!, block.basisInput?.shape.at(-1) ?? 1]
  if (problem.startsWith('a transposed')) {
    // [4 inputs, 2 outputs a group, 4 of the kernel]; a group's inner index is (input within the group, kernel).
    return eigenpairs(block, entries, (g, o, i) => ((g * 2 + Math.floor(i / 4)) * 2 + o) * 4 + (i % 4))
  }
  expect(name).toMatch(/weight|bias/)
  return eigenpairs(block, entries, (g, o, i) => (g * out + o) * inner + i)
}

const quadratic = (matrix: Float64Array, x: readonly number[], y: readonly number[]): number =>
  x.reduce((total, a, p) => total + a * y.reduce((row, b, q) => row + matrix[p * y.length + q]! * b, 0), 0)

const denseOf = (pairs: readonly { vector: number[]; value: number }[], size: number): Float64Array =>
  Float64Array.from({ length: size * size }, (_, k) =>
    pairs.reduce(
      (sum, { vector, value }) => sum + value * vector[Math.floor(k / size)]! * vector[k % size]!,
      0,
    ),
  )

const distance = (a: Float64Array, b: Float64Array): number => Math.hypot(...a.map((x, i) => x - b[i]!))

const lossOf = ({ model, loss, inputs, targets }: Problem): Tensor => loss(model(inputs), targets)

describe.each(networks)('%s', (name, make) => {
  it('has orthonormal eigenvectors and the exact diagonal in them', async () => {
    const problem = make()
    const at = await bruteForce(problem)
    const blocks = await ekfac(lossOf(problem))
    expect(blocks.size).toBe(at.parameters.length)
    for (const each of at.parameters) {
      const { data: exact, rows } = await at.ggn(each)
      const pairs = pairsOf(each.name, name, blocks.get(each), each.shape)
      expect(pairs.length).toBe(rows)
      const largest = Math.max(...exact.map(Math.abs))
      for (const [i, { vector, value }] of pairs.entries()) {
        expect(Math.abs(value - quadratic(exact, vector, vector))).toBeLessThan(1e-9 * largest)
        for (const [j, other] of pairs.entries()) {
          const product = vector.reduce((sum, x, p) => sum + x * other.vector[p]!, 0)
          expect(Math.abs(product - (i === j ? 1 : 0))).toBeLessThan(1e-10)
        }
      }
    }
  })

  it('inverts its own matrix', async () => {
    const problem = make()
    const blocks = await ekfac(lossOf(problem))
    for (const [each, block] of blocks) {
      const vector = data(each.shape, 3)
      const { value } = await evaluate({ value: block.inverseTimes(vector, 0.3) })
      expect(value.shape).toEqual(each.shape)
      const x = [...value.data]
      const pairs = pairsOf(each.name, name, block, each.shape)
      const back = x.map((entry, p) =>
        pairs.reduce(
          (sum, pair) =>
            sum + pair.value * pair.vector[p]! * pair.vector.reduce((d, v, q) => d + v * x[q]!, 0),
          0.3 * entry,
        ),
      )
      back.forEach((entry, p) => expect(entry).toBeCloseTo(wave(each.shape, 3)[p]!, 9))
    }
  })
})

describe('ekfac', () => {
  it('is the block itself for one sample and one position', async () => {
    const problem = classification(mlp(3), [3], 1, 2)
    const at = await bruteForce(problem)
    for (const [each, block] of await ekfac(lossOf(problem))) {
      const exact = await at.ggn(each)
      const found = denseOf(pairsOf(each.name, '', block, each.shape), exact.rows)
      expect(distance(found, exact.data)).toBeLessThan(1e-9 * Math.hypot(...exact.data))
    }
  })

  it('is never further from the block than KFLR, for many nets', async () => {
    let closer = 0
    for (let seed = 1; seed <= 12; seed++) {
      const problem = classification(mlp(seed), [3], 2 + (seed % 4), seed)
      const at = await bruteForce(problem)
      const loss = lossOf(problem)
      const blocks = await ekfac(loss)
      const { kflr } = await evaluate(backward(loss, { kflr: KFLR() }))
      for (const each of at.parameters) {
        const exact = await at.ggn(each)
        const { output, input } = kflr.get(each)
        if (input === undefined) continue
        const [b, a] = [rowsOf(output), rowsOf(input)]
        const inner = a.length
        const kronecker = Float64Array.from({ length: exact.rows ** 2 }, (_, k) => {
          const [p, q] = [Math.floor(k / exact.rows), k % exact.rows]
          return b[Math.floor(p / inner)]![Math.floor(q / inner)]! * a[p % inner]![q % inner]!
        })
        const found = denseOf(pairsOf(each.name, '', blocks.get(each), each.shape), exact.rows)
        const [ours, theirs] = [distance(found, exact.data), distance(kronecker, exact.data)]
        expect(ours).toBeLessThanOrEqual(theirs * (1 + 1e-9))
        if (ours < 0.9 * theirs) closer++
      }
    }
    expect(closer).toBeGreaterThan(6)
  })

  it('with Monte-Carlo columns has the moments of just these columns', async () => {
    const problem = classification(mlp(4), [3], 4, 1)
    const options = { samples: 2, seed: 5 }
    const loss = lossOf(problem)
    const blocks = await ekfac(loss, options)
    const { root } = await evaluate(backward(loss, { root: SqrtGGNMC(options) }))
    for (const [each, block] of blocks) {
      const columns = root.get(each)
      const size = columns.data.length / 8
      for (const { vector, value } of pairsOf(each.name, '', block, each.shape)) {
        let moment = 0
        for (let c = 0; c < 8; c++)
          moment += vector.reduce((d, v, p) => d + v * columns.data[c * size + p]!, 0) ** 2
        expect(value).toBeCloseTo(moment, 10)
      }
    }
  })

  it('refuses what makes no sense', async () => {
    const problem = classification(Linear(3, 3, { seed: 1 }), [3], 4, 1)
    const block = (await ekfac(lossOf(problem))).get('weight')
    expect(() => block.inverseTimes(data([3, 3], 1), 0)).toThrow(/damping must be positive, not 0/)
    expect(() => block.inverseTimes(data([3], 1), 1)).toThrow(/"weight" has shape \[3, 3\], the vector \[3\]/)
    const far = Sequential(
      moduleOf((x: Tensor) => x.mul(1e200)),
      Linear(3, 3, { seed: 1 }),
    )
    const broken = classification(far, [3], 1, 1)
    await expect(ekfac(lossOf(broken))).rejects.toThrow(
      /factor of parameter "1.weight" has entries that are not finite/,
    )
  })
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
})
