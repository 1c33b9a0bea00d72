/**
 * @file Products of a parameter's own block of the curvature with vectors, without the block: a tangent goes forward from the
 * parameter, turns at the loss, and comes back. On its way back every op that bends adds its own second derivative times
 * the tangent that has passed it – all of it (Hessian), none of it (generalised Gauss-Newton), or its positive part
 * (positive-curvature Hessian; Chen, Chou and Chang, "BDA-PCH", 2018; quantities spec, section 7).
 */
import {
  abs,
  add,
  type AnyTensor,
  BeyondgradError,
  dependents,
  formatShape,
  isFloat,
  lift,
  mul,
  ones,
  placeholder,
  relu,
  sameShape,
  sqrt,
  square,
  sub,
  substitute,
  sumTo,
  type Tensor,
  zeros,
} from '@beyondgrad/tensor'
import type { Analysis } from './analysis.ts'
import { entrywiseRuns } from './entrywise.ts'
import { hessianProduct } from './loss-columns.ts'
import type { Parameter } from './parameter.ts'
import { expandForDerivatives, pullBack } from './pullback.ts'
import { ruleOf } from './rules/index.ts'

/** What becomes of the eigenvalues of an op's own second derivative: dropped, kept, made positive, or cut at zero. */
export type Bending = 'none' | 'all' | 'abs' | 'clip'

/** Vectors [K, ...parameter.shape] → the block times each of them. */
export type BlockProduct = (vectors: Tensor) => Tensor

/** Products of the diagonal blocks; a block is built when its product is asked for. */
export function blockProducts(
  analysis: Analysis,
  bending: Bending,
  what: string,
): (parameter: Parameter) => BlockProduct {
  analysis.demandMarkedLosses(what)
  return (parameter) => (vectors) => {
    const { shape, name } = parameter
    if (vectors.shape.length !== shape.length + 1 || !sameShape(vectors.shape.slice(1), shape)) {
      throw new BeyondgradError(
        'shape',
        `${what}: the vectors for "${name}" have shape ${formatShape(vectors.shape)}; give [K, ${shape.join(', ')}] for K of them`,
      )
    }
    const one = placeholder(shape, 'float32', 'vector')
    const product = productOf(analysis, analysis.leaf(parameter), one, bending, what)
    const { results, isBatched } = lift([product], new Map([[one, vectors]]), vectors.shape[0]!)
    return isBatched[0] ? (results[0] as Tensor) : zeros(vectors.shape)
  }
}

/** The leaf's block times one vector. */
function productOf(
  analysis: Analysis,
  leaf: AnyTensor,
  vector: Tensor,
  bending: Bending,
  what: string,
): Tensor {
  const affected = dependents(analysis.order, (node) => node === leaf)
  const nodes = analysis.order.filter(
    (node) => affected.has(node) && node.inputs.length > 0 && isFloat(node.dtype),
  )
  const tangents = new Map<AnyTensor, Tensor>([[leaf, vector]])
  for (const node of nodes) {
    const tangent = tangentOf(node, tangents)
    if (tangent !== undefined) tangents.set(node, tangent)
  }
  const back = new Map<AnyTensor, Tensor>()
  const arrive = (node: AnyTensor, cotangent: Tensor | undefined): void => {
    if (cotangent === undefined) return
    const before = back.get(node)
    back.set(node, before ? add(before, cotangent) : cotangent)
  }
  for (const loss of analysis.losses) {
    const tangent = tangents.get(loss.output)
    if (tangent !== undefined) arrive(loss.output, mul(hessianProduct(loss, tangent), loss.scale))
  }
  // What is made positive belongs to a whole activation, not to the ops that it is composed of.
  const runs = bending === 'abs' || bending === 'clip' ? entrywiseRuns(analysis, affected) : undefined
  const arriveFromRun = (source: AnyTensor): void => {
    const bend = runs?.bendAt(source)
    if (bend !== undefined) arrive(source, mul(positive(bend, bending), tangents.get(source)!))
  }
  for (const node of nodes.toReversed()) {
    if (tangents.has(node)) arriveFromRun(node)
    const cotangent = back.get(node)
    const wanted = node.inputs.map((input) => tangents.has(input))
    if (cotangent !== undefined) {
      ruleOf(node)
        .vjp(node, cotangent, wanted)
        .forEach((x, i) => {
          if (wanted[i]) arrive(node.inputs[i]!, x)
        })
    }
    const delta = bending === 'none' ? undefined : analysis.cotangent(node)
    if (delta === undefined || runs?.has(node) || ruleOf(node).curvature === 'none') continue
    for (const [input, bent] of bentTangents(node, delta, tangents, bending, what)) arrive(input, bent)
  }
  arriveFromRun(leaf)
  return back.get(leaf) ?? zeros(leaf.shape)
}

/** The tangent of one op's result, as the vjp of its vjp; undefined where the inputs have none. */
function tangentOf(node: AnyTensor, tangents: ReadonlyMap<AnyTensor, Tensor>): Tensor | undefined {
  const one = placeholder(node.shape, 'float32', 'cotangent')
  return pullBack(doubled(node, one, tangents), [one])[0]
}

/** The cotangents of an op's inputs for one of its result, each with the input's tangent. */
function doubled(
  node: AnyTensor,
  cotangent: Tensor,
  tangents: ReadonlyMap<AnyTensor, Tensor>,
): (readonly [Tensor, Tensor])[] {
  const wanted = node.inputs.map((input) => tangents.has(input))
  return ruleOf(node)
    .vjp(node, cotangent, wanted)
    .flatMap((x, i) => {
      const tangent = tangents.get(node.inputs[i]!)
      return x === undefined || tangent === undefined
        ? []
        : [[expandForDerivatives([x])[0] as Tensor, tangent] as const]
    })
}

/** K t: the op's second derivative K = Σ δ_k ∇² z_k, its eigenvalues changed, times the tangents of its inputs. */
function bentTangents(
  node: AnyTensor,
  delta: Tensor,
  tangents: ReadonlyMap<AnyTensor, Tensor>,
  bending: Bending,
  what: string,
): Map<AnyTensor, Tensor> {
  const active = [...new Set(node.inputs)].filter((input) => tangents.has(input))
  if (active.length === 0) return new Map()
  if (bending === 'all') return allOf(node, delta, tangents, active)
  const rule = ruleOf(node)
  const uses = node.inputs.filter((input) => tangents.has(input)).length
  if (rule.curvature === 'bilinear' && uses === 1) return new Map()
  if (rule.second === undefined || uses > active.length || uses > 2) throw noEigenvalues(node, what)
  const bend = (i: number, j: number): Tensor => mul(delta, rule.second!(node, i, j))
  if (active.length === 1) {
    const [input] = active as [AnyTensor]
    // An operand that is broadcast meets the sum of its copies' curvature.
    const at = node.inputs.indexOf(input)
    const curvature = sumTo(bend(at, at), input.shape)
    return new Map([[input, mul(positive(curvature, bending), tangents.get(input)!)]])
  }
  const [x, y] = active as [AnyTensor, AnyTensor]
  if (!sameShape(x.shape, node.shape) || !sameShape(y.shape, node.shape)) throw noEigenvalues(node, what)
  const [i, j] = [node.inputs.indexOf(x), node.inputs.indexOf(y)]
  const pair = positivePair({ a: bend(i, i), b: bend(j, j), c: bend(i, j) }, bending)
  const [t, u] = [tangents.get(x)!, tangents.get(y)!]
  return new Map([
    [x, mul(pair.a, t).add(mul(pair.c, u))],
    [y, mul(pair.c, t).add(mul(pair.b, u))],
  ])
}

/** Why an op's second derivative can't be made positive. */
export function noEigenvalues({ op, inputs }: AnyTensor, what: string): BeyondgradError {
  const shapes = inputs.map(({ shape }) => formatShape(shape)).join(' and ')
  return new BeyondgradError(
    'unsupported',
    `${what}: the eigenvalues of the second derivative of op "${op.name}" on ${shapes} are not known; use the curvature of the GGN or the Hessian instead`,
  )
}

/** K t without asking for eigenvalues: the derivative of the op's vjp, the incoming cotangent held. */
function allOf(
  node: AnyTensor,
  delta: Tensor,
  tangents: ReadonlyMap<AnyTensor, Tensor>,
  active: readonly AnyTensor[],
): Map<AnyTensor, Tensor> {
  // Placeholders, so that what the inputs depend on, each other included, counts as constant.
  const stands = new Map(active.map((input) => [input, placeholder(input.shape, 'float32', 'input')]))
  const held = placeholder(node.shape, 'float32', 'cotangent')
  const alone = substitute([node], stands)[0]!
  const moving = new Map([...stands].map(([input, stand]) => [stand as AnyTensor, tangents.get(input)!]))
  const products = pullBack(doubled(alone, held, moving), [...stands.values()])
  const real = new Map<AnyTensor, AnyTensor>([
    [held, delta],
    [alone, node],
    ...[...stands].map(([input, stand]) => [stand, input] as const),
  ])
  return new Map(
    active.flatMap((input, i) => {
      const product = products[i]
      return product === undefined ? [] : [[input, substitute([product], real)[0] as Tensor] as const]
    }),
  )
}

/** Eigenvalues made positive, or cut at zero. */
export function positive(eigenvalues: Tensor, bending: Bending): Tensor {
  return bending === 'abs' ? abs(eigenvalues) : bending === 'clip' ? relu(eigenvalues) : eigenvalues
}

/** Entry by entry a matrix [a c; c b]. */
interface Pair {
  readonly a: Tensor
  readonly b: Tensor
  readonly c: Tensor
}

/**
 * The absolute value |M| of M = [a c; c b] is the root of M², which for 2 × 2 is (M² + |det M| I) / √(tr M² + 2 |det M|); the
 * positive part is (M + |M|) / 2.
 */
function positivePair({ a, b, c }: Pair, bending: Bending): Pair {
  const det = abs(sub(mul(a, b), square(c)))
  const [aa, bb] = [square(a).add(square(c)), square(b).add(square(c))]
  const size = sqrt(aa.add(bb).add(det.mul(2)))
  // Where the matrix is zero, so is the root.
  const inverse = ones(size.shape).div(size.add(1e-30))
  const root: Pair = {
    a: mul(aa.add(det), inverse),
    b: mul(bb.add(det), inverse),
    c: mul(mul(c, a.add(b)), inverse),
  }
  if (bending === 'abs') return root
  return { a: a.add(root.a).mul(0.5), b: b.add(root.b).mul(0.5), c: c.add(root.c).mul(0.5) }
}
