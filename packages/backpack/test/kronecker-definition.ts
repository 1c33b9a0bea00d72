/**
 * @file Kronecker factors as their definition says (quantities spec, section 8), from dense Jacobians alone: with z the result of a
 * layer, G = Jᵀ H J for J = ∂f/∂z, and the inputs read off ∂z/∂W. No windows, no columns.
 */
import { jacobian, type KroneckerMode } from '@beyondgrad/autograd'
import { rows } from '@beyondgrad/nn'
import { evaluate, referenceEngine, sizeOf, tensor } from '@beyondgrad/tensor'
import type { BruteForce, Matrix, Problem } from '@beyondgrad/testing'
import type { WeightedLayer } from './geometry-networks.ts'

const engine = referenceEngine()

export interface DefinedFactors {
  /** [G, O, O] */
  readonly output: Float64Array
  /** [G, I, I] */
  readonly input: Float64Array
  /** E[a] E[a]ᵀ, as large. */
  readonly inputMeans: Float64Array
}

/** One sample at one layer. */
interface AtLayer {
  /** [O · T, O · T], groups one after the other in O. */
  readonly curvature: Float64Array
  /** aₜ of group g: [g][t], I numbers each. */
  readonly inputs: readonly (readonly Float64Array[])[]
}

/** The factors in every mode. The loss's Hessian is that of `at`, which may be drawn. */
export async function factorsByDefinition(
  at: BruteForce,
  problem: Problem,
  layer: WeightedLayer,
): Promise<Readonly<Record<KroneckerMode, DefinedFactors>>> {
  const hessians = await at.lossHessians()
  const samples = await Promise.all(hessians.map((h, n) => sampleAt(problem, layer, h, n)))
  return {
    expand: factorsOf(samples, layer.groups, 'expand'),
    reduce: factorsOf(samples, layer.groups, 'reduce'),
    backpack: factorsOf(samples, layer.groups, 'backpack'),
  }
}

async function sampleAt(
  { model, inputs }: Problem,
  { name, upTo, from, groups, transposed }: WeightedLayer,
  hessian: Matrix,
  n: number,
): Promise<AtLayer> {
  const weight = model.parameters.get(name)
  const x = tensor(rows((await evaluate({ inputs }, { engine })).inputs, [n]))
  const z = upTo(x)
  const { value, byWeight } = await evaluate({ value: z, byWeight: jacobian(z, weight.value) }, { engine })
  const result = tensor(value)
  const { byResult } = await evaluate({ byResult: jacobian(from(result), result) }, { engine })

  const [, out, ...spatial] = z.shape as [number, number, ...number[]]
  const positions = sizeOf(spatial)
  const size = sizeOf(weight.shape)
  const rowOf = (o: number, t: number): Float64Array =>
    Float64Array.from(byWeight.data).slice((o * positions + t) * size, (o * positions + t + 1) * size)
  const perGroup = out / groups
  const inputsOf = Array.from({ length: groups }, (_, g) => {
    // The first output channel of the group sees what all of them see.
    const entries = entriesOf(weight.shape, groups, g, transposed)
    return Array.from({ length: positions }, (__, t) => {
      const row = rowOf(g * perGroup, t)
      return Float64Array.from(entries, (entry) => row[entry]!)
    })
  })
  const pulled = sandwich(Float64Array.from(byResult.data), hessian, out * positions)
  return { curvature: pulled, inputs: inputsOf }
}

/** Which entries of the weight lead to the first output channel of a group, in the order of its inputs. */
function entriesOf(shape: readonly number[], groups: number, group: number, transposed: boolean): number[] {
  const [first, second, ...kernel] = shape as [number, number, ...number[]]
  const volume = sizeOf(kernel)
  if (!transposed) {
    // [O, I / G, ...kernel]
    const from = (group * first * second * volume) / groups
    return Array.from({ length: second * volume }, (_, i) => from + i)
  }
  // [I, O / G, ...kernel]
  const channels = first / groups
  return Array.from({ length: channels * volume }, (_, i) => {
    const channel = group * channels + Math.floor(i / volume)
    return channel * second * volume + (i % volume)
  })
}

/** Jᵀ H J for J [C, size]. */
function sandwich(j: Float64Array, { rows: outputs, data: h }: Matrix, size: number): Float64Array {
  const result = new Float64Array(size * size)
  for (let c = 0; c < outputs; c++) {
    for (let d = 0; d < outputs; d++) {
      for (let p = 0; p < size; p++) {
        const left = h[c * outputs + d]! * j[c * size + p]!
        for (let q = 0; q < size; q++) result[p * size + q]! += left * j[d * size + q]!
      }
    }
  }
  return result
}

function factorsOf(samples: readonly AtLayer[], groups: number, mode: KroneckerMode): DefinedFactors {
  const [first] = samples as readonly [AtLayer]
  const positions = first.inputs[0]!.length
  const out = Math.sqrt(first.curvature.length) / positions / groups
  const output = new Float64Array(groups * out * out)
  const width = first.inputs[0]![0]!.length
  const input = new Float64Array(groups * width * width)
  const inputMeans = new Float64Array(groups * width * width)
  for (let g = 0; g < groups; g++) {
    for (const { curvature } of samples) {
      for (let o = 0; o < out; o++) {
        for (let p = 0; p < out; p++) {
          for (let t = 0; t < positions; t++) {
            for (let u = 0; u < positions; u++) {
              if (mode === 'expand' && t !== u) continue
              const row = (g * out + o) * positions + t
              const column = (g * out + p) * positions + u
              output[(g * out + o) * out + p]! += curvature[row * out * groups * positions + column]!
            }
          }
        }
      }
    }
    const every = samples.map(({ inputs }) => inputs[g]!)
    const vectors = mode === 'reduce' ? every.map((each) => scaled(added(each), 1 / positions)) : every.flat()
    const count = mode === 'expand' ? samples.length * positions : samples.length
    for (const a of vectors) addOuter(input, g, a, 1 / count)
    addOuter(inputMeans, g, scaled(added(vectors), 1 / count), 1)
  }
  return { output, input, inputMeans }
}

const added = (vectors: readonly Float64Array[]): Float64Array =>
  vectors[0]!.map((_, i) => vectors.reduce((sum, a) => sum + a[i]!, 0))
const scaled = (vector: Float64Array, factor: number): Float64Array => vector.map((x) => x * factor)

/** Adds w a aᵀ to the group's matrix. */
function addOuter(target: Float64Array, group: number, a: Float64Array, weight: number): void {
  const size = a.length
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) target[(group * size + i) * size + j]! += weight * a[i]! * a[j]!
}
