/**
 * @file Contributions: what each sample adds to the derivative of one parameter, in factored form where there is
 * one. A quantity is a reduction of contributions and never knows which layer it is looking at.
 */
import {
  add,
  BeyondgradError,
  concat,
  guard,
  matmul,
  mul,
  reshape,
  type Shape,
  sizeOf,
  square,
  sub,
  sum,
  type Tensor,
  transposeLast,
  zeros,
} from '@beyondgrad/tensor'
import * as contraction from './contraction.ts'

/** P[n] = Σₗ cotangent[n, g, :, l] input[n, g, :, l]ᵀ; L shared positions, G groups. */
export interface OuterFactors {
  readonly kind: 'outer'
  /** [V?, N, G, O, L] */
  readonly cotangent: Tensor
  /** [N, G, I, L] */
  readonly input: Tensor
}

/** P[n] itself. */
export interface DirectFactors {
  readonly kind: 'direct'
  /** [V?, N, ...operand] */
  readonly perSample: Tensor
}

export type Factors = OuterFactors | DirectFactors

/** One use of a parameter: factors in the operand's layout, and how to get from there to the parameter's. */
export interface Use {
  readonly factors: Factors
  /** Equal for uses whose factors may be joined along the positions. */
  readonly layout: number
  /** Whether the operand's entries are entries of the parameter, each at most once: then squares may be placed. */
  readonly selects: boolean
  /** Σₙ P[n] in the factors' layout [G, O, I], by the op's own vjp, which an engine may have a better way for. */
  readonly total?: () => Tensor
  /** A vector [...parameter.shape] in the factors' layout [G, O, I]. */
  readonly lay?: (vector: Tensor) => Tensor
  /** [...lead, factors' layout] → [...lead, ...parameter.shape]; `lead` axes come first. */
  place(result: Tensor, lead: number): Tensor
}

/** What each of N samples contributes to one parameter's gradient; with the scale of the loss in it. */
export interface Contribution {
  readonly samples: number
  /** The gradient: Σₙ P[n], as [...parameter.shape]. */
  sum(): Tensor
  /** Σₙ weights[n] P[n]; weights [N]. */
  weightedSum(weights: Tensor): Tensor
  /** P itself: [N, ...parameter.shape]. As large as it sounds: reduce instead where you can. */
  materialize(): Tensor
  /** ‖P[n]‖²: [N]. */
  squaredNorm(): Tensor
  /** Σₙ P[n]². */
  sumOfSquares(): Tensor
  /** Σₙ (P[n] − mean)²; does not cancel. */
  centredSumOfSquares(): Tensor
  /** ⟨P[m], P[n]⟩: [N, N]. */
  gram(): Tensor
  /** ⟨P[n], vector⟩: [N]; vector [...parameter.shape]. */
  dot(vector: Tensor): Tensor
  /** For contractions of one's own: the factors of the joined uses, or P itself. */
  readonly factors: Factors
}

/** All uses as one: joined along the positions where the layouts agree, else multiplied out and added. */
export function joinUses(uses: readonly Use[], columns: boolean): Use {
  const [first, ...rest] = uses
  if (first === undefined) throw new BeyondgradError('value', 'a parameter without uses has no contribution')
  if (rest.length === 0) return first.selects ? first : multipliedOut(uses, columns)
  const outer = uses.map((use) => use.factors).filter((factors) => factors.kind === 'outer')
  const joinable = uses.every((use) => use.selects && use.layout === first.layout)
  if (!joinable || outer.length !== uses.length) return multipliedOut(uses, columns)
  const totals = uses.map((use) => use.total).filter((total) => total !== undefined)
  return {
    layout: first.layout,
    selects: true,
    place: (result, lead) => first.place(result, lead),
    ...(first.lay && { lay: first.lay }),
    ...(totals.length === uses.length && {
      total: () => totals.map((total) => total()).reduce((a, b) => add(a, b)),
    }),
    factors: {
      kind: 'outer',
      cotangent: concat(
        outer.map((factors) => factors.cotangent),
        -1,
      ),
      input: concat(
        outer.map((factors) => factors.input),
        -1,
      ),
    },
  }
}

/** Of a parameter that reaches no sample's loss but by ways without a derivative. */
export function noUse(samples: number, shape: Shape): Use {
  const perSample = zeros([samples, ...shape])
  return { factors: { kind: 'direct', perSample }, layout: 0, selects: true, place: (x) => x }
}

function multipliedOut(uses: readonly Use[], columns: boolean): Use {
  const lead = columns ? 2 : 1
  const parts = uses.map((use) => use.place(perSampleOf(use.factors), lead))
  return {
    factors: { kind: 'direct', perSample: parts.reduce((a, b) => add(a, b)) },
    layout: 0,
    selects: true,
    place: (x) => x,
  }
}

function perSampleOf(factors: Factors): Tensor {
  return factors.kind === 'direct'
    ? factors.perSample
    : contraction.perSample(factors.cotangent, factors.input)
}

/** Axes after the leading ones. */
const inner = (x: Tensor, lead: number): number[] =>
  Array.from({ length: x.shape.length - lead }, (_, i) => i + lead)

/** `[N]` next to `[N, ...]`. */
function alongSamples(weights: Tensor, rank: number): Tensor {
  return reshape(weights, [...weights.shape, ...Array<number>(rank - 1).fill(1)])
}

/** The contribution of joined uses; `gradient` is their sum, which the ordinary backward pass has anyway. */
export function contributionOf(use: () => Use, samples: number, gradient: () => Tensor): Contribution {
  let joined: Use | undefined
  const at = (): Use => (joined ??= use())
  const matrix = (): OuterFactors | undefined => {
    const { factors } = at()
    return factors.kind === 'outer' ? factors : undefined
  }
  const direct = (): Tensor => perSampleOf(at().factors)
  const place = (x: Tensor, lead = 0): Tensor => at().place(x, lead)
  return {
    samples,
    get factors(): Factors {
      return at().factors
    },
    sum: gradient,
    weightedSum: (weights) => {
      const outer = matrix()
      if (outer === undefined)
        return place(sum(mul(direct(), alongSamples(weights, direct().shape.length)), [0]))
      const cotangent = mul(outer.cotangent, alongSamples(weights, outer.cotangent.shape.length))
      return place(contraction.total(cotangent, outer.input))
    },
    materialize: () => place(direct(), 1),
    squaredNorm: () => {
      const outer = matrix()
      if (outer !== undefined) return contraction.squaredNorm(outer.cotangent, outer.input)
      return sum(square(direct()), inner(direct(), 1))
    },
    sumOfSquares: () => {
      const outer = matrix()
      if (outer !== undefined) return place(contraction.sumOfSquares(outer.cotangent, outer.input))
      return place(sum(square(direct()), [0]))
    },
    centredSumOfSquares: () => {
      const outer = matrix()
      if (outer !== undefined) {
        const whole = at().total?.() ?? contraction.total(outer.cotangent, outer.input)
        return place(contraction.centredSumOfSquares(outer.cotangent, outer.input, whole))
      }
      return place(sum(square(sub(direct(), direct().mean([0], { keep: true }))), [0]))
    },
    gram: () => {
      const outer = matrix()
      if (outer !== undefined) return contraction.gram(outer.cotangent, outer.input)
      const flat = reshape(direct(), [samples, -1])
      return matmul(flat, transposeLast(flat))
    },
    dot: (vector) => {
      const outer = matrix()
      const { lay } = at()
      if (outer !== undefined && lay !== undefined) {
        return contraction.dot(outer.cotangent, outer.input, lay(vector))
      }
      const flat = reshape(place(direct(), 1), [samples, sizeOf(vector.shape)])
      return reshape(matmul(flat, reshape(vector, [-1, 1])), [samples])
    },
  }
}

/** Columns that arrive together, all weighted alike or each (column, sample) with a weight of its own. */
export interface WeightedUse {
  readonly use: Use
  /** A number for all (scalar tensor), or [V, N]. */
  readonly weight: Tensor
  readonly columns: number
}

/**
 * Second-order columns at one parameter: the curvature is Σ over columns and samples of w · P Pᵀ. Columns come in
 * chunks; a Hessian adds parts that are diagonal and have been summed already.
 */
export interface Columns {
  readonly samples: number
  /** Number of columns, before diagonal parts. */
  readonly columns: number
  /** The diagonal of the curvature: Σ w P², as [...parameter.shape]. */
  sumOfSquares(): Tensor
  /** √w P for weights that are one number: [V, N, ...parameter.shape], so that the curvature is Σ P Pᵀ. */
  materialize(): Tensor
}

export function columnsOf(
  chunks: readonly WeightedUse[],
  diagonals: readonly Tensor[],
  samples: number,
  shape: Shape,
): Columns {
  return {
    samples,
    columns: chunks.reduce((count, chunk) => count + chunk.columns, 0),
    sumOfSquares: () => {
      const parts = [...chunks.map(weightedSquares), ...diagonals]
      return parts.length === 0 ? zeros(shape) : parts.reduce((a, b) => add(a, b))
    },
    materialize: () => {
      if (diagonals.length > 0 || chunks.some(({ weight }) => sizeOf(weight.shape) !== 1)) {
        throw new BeyondgradError(
          'unsupported',
          `materialize: these columns of a parameter of shape [${shape.join(', ')}] have weights of their own (an exact Hessian); only their diagonal is available`,
        )
      }
      if (chunks.length === 0) return zeros([0, samples, ...shape])
      return concat(
        chunks.map(({ use, weight }) => mul(use.place(perSampleOf(use.factors), 2), root(weight))),
        0,
      )
    },
  }
}

/** √w; there is none of a negative scale. */
function root(weight: Tensor): Tensor {
  const what = 'materialize: the scale of the loss'
  return guard(weight, weight, { kind: 'not-negative', what }).sqrt()
}

function weightedSquares({ use, weight }: WeightedUse): Tensor {
  const uniform = weight.shape.length === 0
  const { factors } = use
  const each = uniform ? undefined : weight
  let result: Tensor
  if (factors.kind === 'outer')
    result = use.place(contraction.sumOfSquares(factors.cotangent, factors.input, each), 0)
  else {
    const squares = square(factors.perSample)
    const scaled =
      each === undefined
        ? squares
        : mul(squares, reshape(each, [...each.shape, ...squares.shape.slice(2).map(() => 1)]))
    result = use.place(sum(scaled, [0, 1]), 0)
  }
  return uniform ? mul(result, weight) : result
}
