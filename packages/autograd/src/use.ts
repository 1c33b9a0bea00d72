/** @file Uses of a parameter: the per-sample derivative at one boundary in factored form, and several of them as one. */
import {
  add,
  type AnyTensor,
  BeyondgradError,
  concat,
  type Shape,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'
import * as indexed from './indexed-contraction.ts'
import { areDisjoint, type ParameterPath } from './parameter-path.ts'

/** P[n] = Σₗ cotangent[n, g, :, l] input[n, g, :, l]ᵀ; L shared positions, G groups. */
export interface OuterFactors {
  readonly kind: 'outer'
  /** [V?, N, G, O, L] */
  readonly cotangent: Tensor
  /** [N, G, I, L] */
  readonly input: Tensor
}

/** P[n] has Σ cotangent[n, l] in row r, over the positions l with indices[n, l] = r; E entries a row. */
export interface IndexedFactors {
  readonly kind: 'indexed'
  /** [V?, N, L, E] */
  readonly cotangent: Tensor
  /** [N, L] */
  readonly indices: Tensor<'int32'>
  readonly rows: number
}

/** P[n] itself. */
export interface DirectFactors {
  readonly kind: 'direct'
  /** [V?, N, ...operand] */
  readonly perSample: Tensor
  /** The same of the samples `from` up to `to`, computed after the tokens, where that is less work than to take rows of all. */
  readonly rows?: (from: number, to: number, tokens: readonly AnyTensor[]) => Tensor
}

/** P for N samples (and V columns); what the layout of its last axes means for the parameter is the use's affair. */
export type Factors = OuterFactors | IndexedFactors | DirectFactors

/** Factors, and what their layout means for the parameter. */
export interface PlacedFactors<F extends Factors = Factors> {
  readonly factors: F
  /** [...lead, factors' layout] → [...lead, ...parameter.shape]; `lead` axes come first. */
  readonly place: (result: Tensor, lead: number) => Tensor
}

/** One use of a parameter: factors in the operand's layout, and how to get from there to the parameter's. */
export interface Use extends PlacedFactors {
  /** Equal for uses whose factors may be joined along the positions. */
  readonly layout: number
  /** Whether the operand's entries are entries of the parameter, each at most once: then squares may be placed. */
  readonly selects: boolean
  /** How the parameter came here; undefined for what has been added up already. */
  readonly path?: ParameterPath
  /** The factors whose second moments are the Kronecker factors, where that is a matter of choice. Default: these. */
  readonly kronecker?: () => PlacedFactors<OuterFactors>
  /** A vector [...parameter.shape] in the factors' layout [G, O, I]. */
  readonly lay?: (vector: Tensor) => Tensor
}

/**
 * All uses of a parameter: joined along the positions where their layouts agree. What is left is one use, or several of
 * which each has entries of the parameter to itself; else everything is multiplied out and added.
 *
 * @param columns whether the factors have an axis of columns in front
 * @returns uses that select
 */
export function joinUses(uses: readonly Use[], columns: boolean): readonly Use[] {
  if (uses.length === 0) {
    throw new BeyondgradError('value', 'a parameter without uses has no contribution')
  }
  if (!uses.every((use) => use.selects)) return [multipliedOut(uses, columns)]
  const byLayout = new Map<number, Use[]>()
  for (const use of uses) byLayout.set(use.layout, [...(byLayout.get(use.layout) ?? []), use])
  const joined = [...byLayout.values()].map((alike) =>
    alike.length === 1 ? alike[0]! : alongPositions(alike),
  )
  if (joined.includes(undefined) || !areApart(joined as readonly Use[])) return [multipliedOut(uses, columns)]
  return joined as readonly Use[]
}

function areApart(uses: readonly Use[]): boolean {
  return uses.every(({ path }, i) =>
    uses.slice(i + 1).every((other) => path && other.path && areDisjoint(path, other.path)),
  )
}

/** Uses of one layout as one; undefined unless all are factored. */
function alongPositions(uses: readonly Use[]): Use | undefined {
  const factors = joinedFactors(uses.map((use) => use.factors))
  if (factors === undefined) return undefined
  const [first] = uses as readonly [Use]
  return {
    layout: first.layout,
    selects: true,
    place: (result, lead) => first.place(result, lead),
    ...(first.path && { path: first.path }),
    ...(first.lay && { lay: first.lay }),
    factors,
  }
}

function joinedFactors(all: readonly Factors[]): Factors | undefined {
  const outer = all.filter((factors) => factors.kind === 'outer')
  const rows = all.filter((factors) => factors.kind === 'indexed')
  const joined = (parts: readonly Tensor[], axis: number): Tensor => concat(parts, axis)
  if (outer.length === all.length) {
    return {
      kind: 'outer',
      cotangent: joined(
        outer.map(({ cotangent }) => cotangent),
        -1,
      ),
      input: joined(
        outer.map(({ input }) => input),
        -1,
      ),
    }
  }
  if (rows.length < all.length) return undefined
  return {
    kind: 'indexed',
    rows: rows[0]!.rows,
    cotangent: joined(
      rows.map(({ cotangent }) => cotangent),
      -2,
    ),
    indices: concat(
      rows.map(({ indices }) => indices),
      -1,
    ),
  }
}

/** Every sample's own derivative, of all uses: [V?, N, ...parameter.shape]. */
export function materialized(uses: readonly Use[], columns: boolean): Tensor {
  return sumOf(uses.map((use) => use.place(perSampleOf(use.factors), columns ? 2 : 1)))
}

/** Of a parameter that reaches no sample's loss but by ways without a derivative. */
export function noUse(samples: number, shape: Shape): Use {
  return inParameterLayout(zeros([samples, ...shape]))
}

/** Several uses as one that is multiplied out. */
export function multipliedOut(uses: readonly Use[], columns: boolean): Use {
  return inParameterLayout(materialized(uses, columns))
}

function inParameterLayout(perSample: Tensor): Use {
  return { factors: { kind: 'direct', perSample }, layout: 0, selects: true, place: (x) => x }
}

export const sumOf = (parts: readonly Tensor[]): Tensor => parts.reduce((a, b) => add(a, b))

/** P in the layout of the factors: [V?, N, ...layout]. */
export function perSampleOf(factors: Factors): Tensor {
  switch (factors.kind) {
    case 'direct':
      return factors.perSample
    case 'indexed':
      return indexed.perSample(factors)
    case 'outer':
      return contraction.perSample(factors.cotangent, factors.input)
  }
}
