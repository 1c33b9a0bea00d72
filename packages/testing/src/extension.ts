/** @file Extensions against brute force. */
import { backward, type BackwardOptions, type Extension, type ParameterMap } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  type Engine,
  evaluate,
  type Evaluated,
  formatShape,
  type NDArray,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import { type BruteForce, bruteForce, type Problem } from './brute-force.ts'
import { demandClose, type NumberArray, type Tolerance } from './close.ts'
import type { Definition } from './definitions.ts'
import { checkLaws } from './laws.ts'
import { reference } from './reference.ts'

export interface ExtensionCheck<T extends AnyTensor> extends Problem<T>, Tolerance {
  /** What the result must be for each parameter. */
  readonly definition: Definition
  /** Default: the reference engine. */
  readonly engine?: Engine | undefined
  readonly backward?: BackwardOptions | undefined
}

/**
 * Checks an extension with one tensor for each parameter against its definition, and against what it says of itself: that it scales
 * with the loss by its `degree`, and that results of parts of the batch combine by its `merge` (unless numbers are drawn). Throws with the
 * first difference.
 */
export async function checkExtension<T extends AnyTensor>(
  extension: Extension<ParameterMap<Tensor>>,
  check: ExtensionCheck<T>,
): Promise<void> {
  await checkResult(extension, {
    ...check,
    compare: async (result, at, demand) => {
      for (const parameter of at.parameters) {
        if (!parameter.trainable) continue
        const found = result.get(parameter)
        demand(`of "${parameter.name}"`, found, await check.definition(at, parameter))
      }
    },
  })
  const engine = check.engine ?? reference
  await checkLaws(extension, check, { ...tolerancesOf(check), engine, backward: check.backward })
}

/** Throws unless an array holds the expected numbers; `what` says which one it is. */
export type Demand = (what: string, found: NDArray, expected: NumberArray) => void

export interface ResultCheck<T extends AnyTensor, R> extends Problem<T>, Tolerance {
  /** Compares the evaluated result with what brute force says. */
  compare(result: Evaluated<R>, at: BruteForce, demand: Demand): Promise<void> | void
  /** Default: the reference engine. */
  readonly engine?: Engine | undefined
  readonly backward?: BackwardOptions | undefined
}

/** Checks an extension with a result of any kind by a comparison of one's own. */
export async function checkResult<T extends AnyTensor, R>(
  extension: Extension<R>,
  check: ResultCheck<T, R>,
): Promise<void> {
  const { model, loss, inputs, targets, engine = reference } = check
  const tolerance = tolerancesOf(check)
  const whole = loss(model(inputs), targets)
  const { result } = await evaluate(backward(whole, { result: extension }, check.backward), { engine })
  const demand: Demand = (what, found, expected) => {
    if (found.data.length !== sizeOf(found.shape)) {
      throw new Error(
        `${extension.name} ${what}: ${found.data.length} numbers don't fill ${formatShape(found.shape)}`,
      )
    }
    demandClose(`${extension.name} ${what}`, found.data, expected, found.shape, tolerance)
  }
  await check.compare(result, await bruteForce(check), demand)
}

const tolerancesOf = ({ rtol = 1e-8, atol = 1e-10 }: Tolerance): Required<Tolerance> => ({ rtol, atol })
