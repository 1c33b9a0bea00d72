/**
 * @file Curvature on the parameter's side. What a parameter goes through before it meets the samples – a weight that is
 * normalised, squared, or the product of two – may bend, and then the exact Hessian has the second derivative of
 * ⟨δ, operand(θ)⟩ besides, δ being the cotangent that arrives at the operand. There are no samples in it.
 */
import {
  type AnyTensor,
  BeyondgradError,
  cast,
  concat,
  constant,
  dependents,
  equal,
  iota,
  lift,
  mul,
  ones,
  placeholder,
  reshape,
  sizeOf,
  substitute,
  sum,
  type Tensor,
  topologicalOrder,
  zeros,
} from '@beyondgrad/tensor'
import type { Analysis, Entrance } from './analysis.ts'
import { type DiagonalPart, operandCotangents } from './boundary.ts'
import type { Parameter } from './parameter.ts'
import { pullBack } from './pullback.ts'
import { ruleOf } from './rules/index.ts'

export interface ParameterCurvatureOptions {
  readonly what: string
  /** Parameters with more entries than this are refused where every entry needs a column of its own. */
  readonly limit: number
  /** Bytes that columns may take at a time. */
  readonly memory: number
}

/** The diagonal of that second derivative; undefined where nothing bends. */
export function parameterCurvature(
  analysis: Analysis,
  parameter: Parameter,
  entrances: readonly Entrance[],
  options: ParameterCurvatureOptions,
): DiagonalPart | undefined {
  const sources: (readonly [AnyTensor, Tensor])[] = []
  const arriving = new Map<Tensor, { readonly at: Entrance; readonly delta: Tensor }>()
  let leaf: AnyTensor | undefined
  for (const at of entrances) {
    const path = at.paths.find((each) => each.parameter.cell === parameter.cell)
    const delta = analysis.cotangent(at.node)
    if (path === undefined || delta === undefined || path.operand === path.leaf) continue
    leaf = path.leaf
    // A placeholder, since the cotangent depends on the parameter, too, but counts as a constant here.
    const held = placeholder(path.operand.shape, 'float32', 'cotangent')
    arriving.set(held, { at, delta })
    sources.push([path.operand, held])
  }
  if (leaf === undefined) return undefined
  const diagonal = diagonalOfPath(sources, leaf, parameter, options)
  if (diagonal === undefined) return undefined
  return {
    summed: () => {
      const sums = new Map([...arriving].map(([held, { at, delta }]) => [held, operandCotangent(at, delta)]))
      return substitute([diagonal], sums)[0] as Tensor
    },
    // The diagonal is linear in the cotangents, so that each sample has its own.
    perSample: () => {
      const each = new Map([...arriving].map(([held, { at, delta }]) => [held, operandCotangents(at, delta)]))
      const { results, isBatched } = lift([diagonal], each, analysis.samples)
      return isBatched[0] ? (results[0] as Tensor) : zeros([analysis.samples, ...leaf.shape])
    },
  }
}

/** The cotangent of the operand, of all samples together. */
function operandCotangent({ node, operand }: Entrance, delta: Tensor): Tensor {
  const wanted = node.inputs.map((_, i) => i === operand)
  return ruleOf(node).vjp(node, delta, wanted)[operand] ?? zeros(node.inputs[operand]!.shape)
}

/** The diagonal of ∂²/∂leaf² Σ ⟨cotangent, operand⟩, in the leaf's shape; undefined where nothing bends. */
function diagonalOfPath(
  sources: readonly (readonly [AnyTensor, Tensor])[],
  leaf: AnyTensor,
  parameter: Parameter,
  options: ParameterCurvatureOptions,
): Tensor | undefined {
  const order = topologicalOrder(sources.map(([operand]) => operand))
  const between = dependents(order, (node) => node === leaf)
  if (![...between].some((node) => bends(node, between))) return undefined
  const [slope] = pullBack(sources, [leaf])
  if (slope === undefined) return undefined
  const direction = placeholder(leaf.shape, 'float32', 'direction')
  const [product] = pullBack([[slope, direction]], [leaf])
  if (product === undefined) return undefined
  return [...between].every((node) => node === leaf || actsEntryByEntry(node, between))
    ? (substitute([product], new Map([[direction, ones(leaf.shape)]]))[0] as Tensor)
    : diagonalByColumns(product, direction, leaf, parameter, options)
}

const activeInputs = (node: AnyTensor, between: ReadonlySet<AnyTensor>): number[] =>
  node.inputs.flatMap((input, i) => (between.has(input) ? [i] : []))

/** Whether the op's second derivative does not vanish among the inputs that depend on the parameter. */
function bends(node: AnyTensor, between: ReadonlySet<AnyTensor>): boolean {
  const active = activeInputs(node, between)
  if (active.length === 0) return false
  const { curvature, second } = ruleOf(node)
  if (curvature === 'unknown') return true
  if (curvature !== 'elementwise') return curvature === 'bilinear' && active.length > 1
  return active.some((i) => active.some((j) => second!(node, i, j) !== 0))
}

/** Whether every entry of the result depends on one entry of the parameter, so that the second derivative is diagonal. */
function actsEntryByEntry(node: AnyTensor, between: ReadonlySet<AnyTensor>): boolean {
  const active = activeInputs(node, between)
  const rule = ruleOf(node)
  if (!rule.selects) return false
  if (rule.partial === undefined) return true
  return active.length === 1 && sizeOf(node.inputs[active[0]!]!.shape) === sizeOf(node.shape)
}

/** The diagonal of a symmetric map that is given by its product with a direction: one column for each entry. */
function diagonalByColumns(
  product: Tensor,
  direction: Tensor,
  { shape }: AnyTensor,
  { name }: Parameter,
  { what, limit, memory }: ParameterCurvatureOptions,
): Tensor {
  const size = sizeOf(shape)
  if (size > limit) {
    throw new BeyondgradError(
      'unsupported',
      `${what}: what is made of parameter "${name}" before it is used bends across its ${size} entries, and the exact form needs a column for each; raise the option limit, or use a stochastic quantity such as DiagHessianMC or DiagGGNMC`,
    )
  }
  const chunk = Math.max(1, Math.floor(memory / (4 * Math.max(1, size))))
  const parts: Tensor[] = []
  for (let from = 0; from < size; from += chunk) {
    const count = Math.min(chunk, size - from)
    const which = constant(
      Array.from({ length: count }, (_, i) => [from + i]),
      'int32',
    )
    const units = reshape(cast(equal<'int32'>(which, reshape(iota(size), [1, size])), 'float32'), [
      count,
      ...shape,
    ])
    const { results } = lift([product], new Map([[direction, units]]), count)
    const rows = mul(results[0] as Tensor, units)
    parts.push(sum(reshape(rows, [count, size]), [1]))
  }
  return reshape(concat(parts, 0), shape)
}
