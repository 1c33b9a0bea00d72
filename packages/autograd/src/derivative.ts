/** @file Derivatives of expressions: graph in, graph out, any number of times. */
import {
  type AnyTensor,
  BeyondgradError,
  constant,
  eye,
  formatShape,
  lift,
  namedMap,
  ones,
  placeholder,
  reshape,
  sizeOf,
  type Tensor,
  transposeLast,
  zeros,
} from '@beyondgrad/tensor'
import { parametersOf } from './dependence.ts'
import type { Parameter, ParameterMap } from './parameter.ts'
import { demandShapeOf, expandForDerivatives, pullBack } from './pullback.ts'

/**
 * Cotangents of `inputs` for one of `output`: vᵀ · ∂output/∂inputs. Zero where there is no dependence.
 *
 * @param cotangent v, of output's shape
 * @returns one of each input's shape
 */
export function vjp(output: Tensor, inputs: readonly AnyTensor[], cotangent: Tensor): Tensor[] {
  demandShapeOf('vjp', 'cotangent', cotangent, output)
  const [plain] = expandForDerivatives([output])
  return pullBack([[plain!, cotangent]], inputs).map((x, i) => x ?? zeros(inputs[i]!.shape))
}

/**
 * The tangent of `output` for tangents of `inputs`: Σ ∂output/∂inputᵢ · tᵢ. A vjp is linear in its cotangent, and
 * the vjp of that linear map is the jvp: no rules of its own are needed, and what only served the detour is dead.
 *
 * @param tangents one of each input's shape
 * @returns of output's shape
 */
export function jvp(output: Tensor, inputs: readonly AnyTensor[], tangents: readonly Tensor[]): Tensor {
  tangents.forEach((tangent, i) => demandShapeOf('jvp', 'tangent', tangent, inputs[i]!))
  const dummy = placeholder(output.shape, 'float32', 'cotangent')
  const cotangents = vjp(output, inputs, dummy)
  const [result] = pullBack(
    cotangents.map((x, i) => [expandForDerivatives([x])[0]!, tangents[i]!] as const),
    [dummy],
  )
  return result ?? zeros(output.shape)
}

function demandScalar(what: string, of: Tensor): void {
  if (sizeOf(of.shape) === 1) return
  throw new BeyondgradError(
    'shape',
    `${what}: a gradient needs one number, not a tensor of shape ${formatShape(of.shape)}; sum it, or use vjp or jacobian`,
  )
}

type Inputs = readonly AnyTensor[] | ParameterMap<Parameter>

/**
 * The gradient of a scalar; throws `shape` for anything else.
 *
 * @param of nodes of the graph (results in their order), or parameters (results by parameter; default: all trainable
 * ones)
 */
export function gradient(loss: Tensor, of: readonly AnyTensor[]): Tensor[]
export function gradient(loss: Tensor, of?: ParameterMap<Parameter>): ParameterMap<Tensor>
export function gradient(loss: Tensor, of?: Inputs): Tensor[] | ParameterMap<Tensor> {
  demandScalar('gradient', loss)
  if (Array.isArray(of)) return vjp(loss, of as readonly AnyTensor[], ones(loss.shape))
  const [plain] = expandForDerivatives([loss])
  const found = [...parametersOf([plain!], of as ParameterMap<Parameter> | undefined)]
  const leaves = found.map(([, leaf]) => leaf)
  const results = pullBack([[plain!, ones(loss.shape)]], leaves)
  return namedMap(found.map(([parameter, leaf], i) => [parameter, results[i] ?? zeros(leaf.shape)] as const))
}

export interface JacobianOptions {
  /**
   * 'rows': one vjp for each entry of the output; 'columns': one jvp for each entry of the input. Default: the fewer of the two.
   */
  readonly by?: 'rows' | 'columns'
}

/** The Jacobian of `output` with respect to `input`: [...output.shape, ...input.shape]. All vjps, or jvps, are one, lifted. */
export function jacobian(output: Tensor, input: AnyTensor, options: JacobianOptions = {}): Tensor {
  const [rows, columns] = [sizeOf(output.shape), sizeOf(input.shape)]
  const { by = rows <= columns ? 'rows' : 'columns' } = options
  const shape = [...output.shape, ...input.shape]
  if (by === 'rows') {
    const one = placeholder(output.shape, 'float32', 'cotangent')
    const [row] = vjp(output, [input], one)
    return reshape(lifted(row!, one, rows), shape)
  }
  const one = placeholder(input.shape, 'float32', 'tangent')
  const transposed = reshape(lifted(jvp(output, [input], [one]), one, columns), [columns, rows])
  return reshape(transposeLast(transposed), shape)
}

/** A linear function of `one`, for every unit vector: [count, ...result.shape]. */
function lifted(result: Tensor, one: Tensor, count: number): Tensor {
  const units = reshape(eye(count), [count, ...one.shape])
  const { results, isBatched } = lift([result], new Map([[one, units]]), count)
  return isBatched[0] ? (results[0] as Tensor) : zeros([count, ...result.shape])
}

/**
 * The Hessian of a scalar times a vector: ∇²loss · v for all inputs jointly, as the gradient of ⟨∇loss, v⟩. Pearlmutter,
 * "Fast exact multiplication by the Hessian", 1994.
 *
 * @param vectors one of each input's shape
 * @returns one of each input's shape
 */
export function hvp(loss: Tensor, inputs: readonly AnyTensor[], vectors: readonly Tensor[]): Tensor[] {
  demandScalar('hvp', loss)
  vectors.forEach((vector, i) => demandShapeOf('hvp', 'vector', vector, inputs[i]!))
  const slopes = gradient(loss, inputs)
  const total = slopes.map((g, i) => g.mul(vectors[i]!).sum()).reduce((a, b) => a.add(b), constant(0))
  return gradient(total, inputs)
}

/** The dense Hessian of a scalar with respect to one input: [...input.shape, ...input.shape]. For small inputs. */
export function hessian(loss: Tensor, input: AnyTensor): Tensor {
  demandScalar('hessian', loss)
  const [slope] = gradient(loss, [input])
  return jacobian(slope!, input)
}
