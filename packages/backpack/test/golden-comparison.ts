/** @file Everything that the reference values know of one network, against what an engine makes of it. */
import {
  backward,
  type Extension,
  ggnvp,
  hvp,
  jacobian,
  type Parameter,
  type ParameterMap,
  parametersOf,
} from '@beyondgrad/autograd'
import {
  type AnyTensor,
  concat,
  type Engine,
  evaluate,
  eye,
  lift,
  matmul,
  type NamedMap,
  namedMap,
  type NDArray,
  placeholder,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  transposeLast,
} from '@beyondgrad/tensor'
import {
  BatchDiagGGN,
  BatchDiagHessian,
  BatchGradient,
  BatchL2,
  DiagGGN,
  DiagHessian,
  GGNMP,
  Gradient,
  HMP,
  KFLR,
  KFRA,
  SqrtGGN,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { type Golden, goldenCases, lossAt, modelOf, readGolden, toTensor, type Values } from './golden.ts'
import { graphCases, graphLoss, readGraph } from './golden-graph.ts'

/** One network with its batch, and what is known of it. */
export interface GoldenCase {
  readonly name: string
  readonly golden: Pick<Golden, 'loss_value' | 'quantities' | 'aux' | 'unsupported_by_backpack'>
  readonly loss: Tensor
  readonly output: Tensor
  readonly parameters: readonly Parameter[]
}

/** All of them: networks that are chains of layers, and those that are expressions. */
export function allGoldens(): readonly { readonly name: string; readonly read: () => GoldenCase }[] {
  const layered = goldenCases('logreg', 'mlp', 'conv').map((name) => ({
    name,
    read: () => {
      const golden = readGolden(name)
      const model = modelOf(golden)
      const output = model(toTensor(golden.input))
      const parameters = [...model.parameters].map(([p]) => p)
      return { name, golden, loss: lossAt(golden, output), output, parameters }
    },
  }))
  const drawn = graphCases().map((name) => ({
    name,
    read: () => {
      const golden = readGraph(name)
      return { name, golden, ...graphLoss(golden) }
    },
  }))
  return [...layered, ...drawn]
}

/** How far one parameter's values are off, in units of the tolerance. */
export interface Comparison {
  readonly quantity: string
  readonly parameter: string
  readonly worst: number
}

const tensors: Readonly<Record<string, Extension<ParameterMap<Tensor>>>> = {
  grad: Gradient(),
  batch_grad: BatchGradient(),
  batch_l2: BatchL2(),
  sum_grad_squared: SumGradSquared(),
  variance: Variance(),
  diag_ggn_exact: DiagGGN(),
  diag_hessian: DiagHessian(),
  batch_diag_ggn_exact: BatchDiagGGN(),
  batch_diag_hessian: BatchDiagHessian(),
}

type Found = ReadonlyMap<string, Readonly<Record<string, Tensor>>>

/** What is compared, as expressions under the names of the fixtures. */
function expressionsOf({ golden, loss, output, parameters }: GoldenCase): Found {
  const { quantities } = golden
  const found = new Map<string, Readonly<Record<string, Tensor>>>()
  const named = (map: NamedMap<Parameter, Tensor>): Record<string, Tensor> =>
    Object.fromEntries([...map].map(([p, x]) => [p.name, x]))
  const asked = Object.fromEntries(Object.entries(tensors).filter(([name]) => quantities[name] !== undefined))
  for (const [name, map] of Object.entries(backward(loss, asked, { parameters }))) found.set(name, named(map))

  if (quantities.sqrt_ggn_exact_gram !== undefined) {
    const known = parameters.filter(({ name }) => quantities.sqrt_ggn_exact_gram![name])
    const { root } = backward(loss, { root: SqrtGGN() }, { parameters: known })
    // V Vᵀ does not depend on the order and the signs of the columns.
    const blocks = Object.entries(named(root)).map(([name, v]) => {
      const rows = reshape(v, [-1, sizeOf(v.shape.slice(2))])
      return [name, matmul(transposeLast(rows), rows)]
    })
    found.set('sqrt_ggn_exact_gram', Object.fromEntries(blocks) as Record<string, Tensor>)
  }
  for (const [name, product] of [
    ['ggnmp', GGNMP],
    ['hmp', HMP],
  ] as const) {
    if (quantities[name] === undefined) continue
    const vectors = ({ name }: Parameter): Tensor => toTensor(golden.aux.mp_matrix[name]!)
    found.set(name, named(backward(loss, { mp: product({ vectors }) }, { parameters }).mp))
  }
  for (const [name, factors] of [
    ['kflr', KFLR({ mode: 'backpack' })],
    ['kfra', KFRA({ mode: 'backpack' })],
  ] as const) {
    if (quantities[name] === undefined) continue
    const known = parameters.filter((p) => quantities[name]![p.name])
    // Through all parameters, since KFRA's matrix does not depend on which are asked for.
    const { result } = backward(loss, { result: factors }, { parameters: known })
    const flat = [...result].flatMap(([p, { output: b, input: a }]) =>
      [b, a].flatMap((x, i) => (x === undefined ? [] : [[`${p.name} ${i}`, x] as const])),
    )
    found.set(name, Object.fromEntries(flat))
  }
  addWhole(found, golden, loss, output, parameters)
  return found
}

/** What belongs to all parameters jointly. */
function addWhole(
  found: Map<string, Readonly<Record<string, Tensor>>>,
  { quantities, aux }: GoldenCase['golden'],
  loss: Tensor,
  output: Tensor,
  parameters: readonly Parameter[],
): void {
  const leaves = [...parametersOf([loss], parameters)]
  const product = {
    ggn: (vectors: readonly Tensor[]): Tensor[] =>
      [...ggnvp(loss, namedMap(leaves.map(([p], i) => [p, vectors[i]!] as const)))].map(([, x]) => x),
    hessian: (vectors: readonly Tensor[]): Tensor[] =>
      hvp(
        loss,
        leaves.map(([, leaf]) => leaf),
        vectors,
      ),
  }
  const vector = leaves.flatMap(([{ name }]) => {
    const values = aux?.vp_vector[name]
    return values === undefined ? [] : [toTensor(values)]
  })
  for (const [name, times] of [
    ['ggnvp', product.ggn],
    ['hvp', product.hessian],
  ] as const) {
    if (quantities[name] === undefined) continue
    found.set(name, Object.fromEntries(times(vector).map((x, i) => [leaves[i]![0].name, x])))
  }
  for (const [name, times] of [
    ['full_ggn', product.ggn],
    ['full_hessian', product.hessian],
  ] as const) {
    if (quantities[name] !== undefined) found.set(name, { whole: denseOf(times, leaves) })
  }
  if (quantities.jacobian_sample0 !== undefined) {
    const first = reshape(slice(output, 0, 0, 1), [-1])
    const parts = leaves.map(([p, leaf]) => reshape(jacobian(first, leaf), [-1, sizeOf(p.shape)]))
    found.set('jacobian_sample0', { whole: concat(parts, 1) })
  }
}

/** A symmetric matrix from its products with all unit vectors. */
function denseOf(
  times: (vectors: readonly Tensor[]) => Tensor[],
  leaves: readonly (readonly [Parameter, AnyTensor])[],
): Tensor {
  const stands = leaves.map(([p]) => placeholder(p.shape, 'float32', 'vector'))
  const size = leaves.reduce((sum, [p]) => sum + sizeOf(p.shape), 0)
  let from = 0
  const units = new Map<AnyTensor, AnyTensor>()
  leaves.forEach(([p], i) => {
    const to = from + sizeOf(p.shape)
    units.set(stands[i]!, reshape(slice(eye(size), 1, from, to), [size, ...p.shape]))
    from = to
  })
  const { results } = lift(times(stands), units, size)
  return concat(
    results.map((x) => reshape(x as Tensor, [size, -1])),
    1,
  )
}

/** Expected values under the keys of `expressionsOf`. */
function expectedOf(quantities: Golden['quantities'], quantity: string): Readonly<Record<string, Values>> {
  const values = quantities[quantity] as unknown
  if ((values as Values).data !== undefined) return { whole: values as Values }
  return Object.fromEntries(
    Object.entries(values as Record<string, Values | readonly Values[]>).flatMap(([name, each]) =>
      Array.isArray(each)
        ? (each as readonly Values[]).map((part, i) => [`${name} ${i}`, part] as const)
        : [[name, each as Values] as const],
    ),
  )
}

/** Largest deviation, in units of the tolerance; infinite for a wrong shape or NaN. */
function worstOf({ shape, data }: NDArray, expected: Values, rtol: number): number {
  if (sizeOf(shape) !== expected.data.length || shape.some((d, i) => d !== expected.shape[i])) return Infinity
  const scale = Math.max(0, ...expected.data.map(Math.abs))
  // What is zero in theory, such as a key's bias in attention, is rounding noise on both sides.
  const noise = rtol < 1e-6 ? 1e-12 : 1e-7
  return expected.data.reduce((most, value, i) => {
    const deviation = Math.abs(data[i]! - value)
    const tolerance = rtol * Math.abs(value) + rtol * 1e-2 * scale + noise
    return Number.isNaN(deviation) ? Infinity : Math.max(most, deviation / tolerance)
  }, 0)
}

/** Runs one case on an engine, and compares all that is known. */
export async function compareGolden(at: GoldenCase, engine: Engine, rtol: number): Promise<Comparison[]> {
  const found = expressionsOf(at)
  const results = await evaluate({ value: at.loss, found: Object.fromEntries(found) }, { engine })
  const comparisons: Comparison[] = [
    {
      quantity: 'loss',
      parameter: '',
      worst: worstOf(
        { ...results.value, shape: [1] },
        { shape: [1], data: [at.golden.loss_value] },
        Math.max(rtol, 1e-8),
      ),
    },
  ]
  for (const quantity of Object.keys(at.golden.quantities)) {
    for (const [parameter, values] of Object.entries(expectedOf(at.golden.quantities, quantity))) {
      const result = results.found[quantity]?.[parameter]
      const worst = result === undefined ? Infinity : worstOf(result, values, rtol)
      comparisons.push({ quantity, parameter, worst })
    }
  }
  return comparisons
}
