/**
 * @file Derivatives against central finite differences, in double precision. A function is probed along random
 * directions, which miss no wrong derivative but for a coincidence; only when one disagrees is it probed entry by
 * entry, to say where.
 */
import { gradient, hvp, jvp, vjp } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  compile,
  type DType,
  formatShape,
  hostData,
  type NDArray,
  type Shape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import type { Tolerance } from './close.ts'
import { numbers, randomTensor } from './random-numbers.ts'
import { asLeaves, isDifferentiable, reference } from './reference.ts'

export interface DerivativeOptions extends Tolerance {
  /** 2 also differentiates the derivative again. Default: 2. */
  readonly order?: 1 | 2
  /** Chooses directions and cotangents. Default: 1. */
  readonly seed?: number
  /** Random directions to probe along. Default: 2. */
  readonly directions?: number
}

/** A function that is probed: numbers in, numbers out. */
type Probe = (at: readonly Float64Array[]) => Promise<Float64Array>

/**
 * A large step, and a small one for points that happen to lie near a kink: a wrong derivative disagrees with both.
 * The smaller the step, the more of the difference is rounding.
 */
const steps = [
  { size: 1e-5, looser: 1 },
  { size: 2e-7, looser: 50 },
] as const

/**
 * Checks `vjp`, `jvp` and, for order 2, `hvp` of a function at the given inputs; throws with the first disagreement.
 * Inputs that are not floating-point numbers are handed on and not differentiated.
 */
export async function checkDerivative<const A extends readonly AnyTensor[]>(
  fn: (...inputs: A) => Tensor,
  inputs: A,
  options: DerivativeOptions = {},
): Promise<void> {
  const { order = 2, seed = 1, directions = 2, rtol = 1e-6, atol = 1e-7 } = options
  const random = numbers(seed)
  const leaves = await asLeaves(inputs)
  const output = fn(...leaves)
  const which = leaves.flatMap((input, i) => (isDifferentiable(input) ? [i] : []))
  const shapes = which.map((i) => leaves[i]!.shape)
  const at = which.map((i) => hostData(leaves[i]!) as Float64Array)
  const cotangent = await double(randomTensor(output.shape, random))

  const chosen = (all: readonly AnyTensor[]): Tensor[] => which.map((i) => all[i] as AnyTensor as Tensor)
  const probe = (build: (all: A) => readonly Tensor[]): Probe => {
    const run = compile((...all: readonly AnyTensor[]) => ({ parts: build(all as A) }), { engine: reference })
    return async (points) => {
      const values: NDArray<DType>[] = leaves.map(({ shape, dtype }, i) => ({
        shape,
        dtype,
        data: (points[which.indexOf(i)] ?? hostData(leaves[i]!)) as never,
      }))
      const { parts } = await run(...(values as never[]))
      return concatenated(parts)
    }
  }

  const check = async (what: string, slope: Float64Array, of: Probe): Promise<void> => {
    await compareAlong(what, slope, of, { at, shapes, rtol, atol, directions, seed })
  }
  const scalar = (y: Tensor): Tensor => y.mul(cotangent).sum()
  const slopesOf: Probe = probe((all) => vjp(fn(...all), chosen(all), cotangent))
  await check(
    'vjp',
    await slopesOf(at),
    probe((all) => [scalar(fn(...all))]),
  )

  const tangents = await Promise.all(shapes.map((shape) => double(randomTensor(shape, random))))
  const alongTangents = concatenated(tangents.map((t) => ({ data: hostData(t) as Float64Array })))
  const forward = await probe((all) => [jvp(fn(...all), chosen(all), tangents)])(at)
  demandTransposed(forward, hostData(cotangent) as Float64Array, await slopesOf(at), alongTangents)

  if (order === 1) return
  const curved = probe((all) => hvp(scalar(fn(...all)), chosen(all), tangents))
  const slopeAlong = probe((all) => {
    const slopes = gradient(scalar(fn(...all)), chosen(all))
    return [slopes.map((g, i) => g.mul(tangents[i]!).sum()).reduce((a, b) => a.add(b))]
  })
  await check('hvp', await curved(at), slopeAlong)
}

/** ⟨c, J t⟩ = ⟨Jᵀ c, t⟩: with vjp known to be right, this checks jvp. */
function demandTransposed(jt: Float64Array, c: Float64Array, jc: Float64Array, t: Float64Array): void {
  const [left, right] = [dot(jt, c), dot(jc, t)]
  if (Math.abs(left - right) <= 1e-9 * (1 + absoluteDot(jt, c))) return
  throw new Error(`jvp disagrees with vjp: ⟨c, J t⟩ is ${left}, ⟨Jᵀ c, t⟩ is ${right}`)
}

interface Comparison {
  readonly at: readonly Float64Array[]
  readonly shapes: readonly Shape[]
  readonly rtol: number
  readonly atol: number
  readonly directions: number
  readonly seed: number
}

/** Compares the slopes of a scalar probe with finite differences along random directions. */
async function compareAlong(
  what: string,
  slope: Float64Array,
  probe: Probe,
  comparison: Comparison,
): Promise<void> {
  const { at, shapes, directions, seed } = comparison
  const random = numbers(seed + 1000)
  for (let k = 0; k < directions; k++) {
    const direction = Float64Array.from(slope, () => 2 * random.next() - 1)
    const wrong = await disagreement(slope, direction, probe, comparison)
    if (wrong === undefined) continue
    for (let i = 0; i < slope.length; i++) {
      const unit = new Float64Array(slope.length)
      unit[i] = 1
      const here = await disagreement(slope, unit, probe, comparison)
      if (here !== undefined) throw new Error(`${what} with respect to ${nameEntry(i, shapes)} ${here}`)
    }
    throw new Error(`${what} along a random direction at ${describe(at, shapes)} ${wrong}`)
  }
}

async function disagreement(
  slope: Float64Array,
  direction: Float64Array,
  probe: Probe,
  { at, rtol, atol }: Comparison,
): Promise<string | undefined> {
  const claimed = dot(slope, direction)
  let measured = NaN
  for (const { size, looser } of steps) {
    const [ahead] = await probe(moved(at, direction, size))
    const [behind] = await probe(moved(at, direction, -size))
    const difference = (ahead! - behind!) / (2 * size)
    if (Number.isNaN(measured)) measured = difference
    const scale = Math.max(1, Math.abs(ahead!), absoluteDot(slope, direction))
    if (Math.abs(claimed - difference) <= looser * (rtol * Math.abs(difference) + atol * scale))
      return undefined
  }
  return `is ${claimed}, finite differences say ${measured}`
}

function moved(at: readonly Float64Array[], direction: Float64Array, by: number): Float64Array[] {
  let from = 0
  return at.map((x) => {
    const start = from
    from += x.length
    return x.map((value, i) => value + by * direction[start + i]!)
  })
}

async function double(x: Tensor): Promise<Tensor> {
  const [held] = await asLeaves([x])
  return held
}

function concatenated(parts: readonly { readonly data: ArrayLike<number> }[]): Float64Array {
  return Float64Array.from(parts.flatMap(({ data }) => Array.from(data)))
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((total, x, i) => total + x * b[i]!, 0)
}

function absoluteDot(a: Float64Array, b: Float64Array): number {
  return a.reduce((total, x, i) => total + Math.abs(x * b[i]!), 0)
}

function nameEntry(index: number, shapes: readonly Shape[]): string {
  let rest = index
  const input = shapes.findIndex((shape) => (rest < sizeOf(shape) ? true : ((rest -= sizeOf(shape)), false)))
  return `element ${rest} of differentiable input ${input} ${formatShape(shapes[input]!)}`
}

function describe(at: readonly Float64Array[], shapes: readonly Shape[]): string {
  const shown = at.map(
    (x, i) => `${formatShape(shapes[i]!)} ${Array.from(x.subarray(0, 4), (v) => v.toFixed(4)).join(' ')}`,
  )
  return shown.join('; ')
}
