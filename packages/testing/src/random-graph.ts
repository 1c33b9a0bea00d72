/**
 * @file Random expressions over the op set. What is built depends on the seed and on the shapes of the inputs alone,
 * so that the same expression can be built again from other inputs: from moved ones for finite differences, or from
 * single examples for `vmap`.
 */
import { type Tensor } from '@beyondgrad/tensor'
import { compositions } from './operations/composition.ts'
import { elementwise } from './operations/elementwise.ts'
import { gathers } from './operations/gather.ts'
import type { Operation, Pool } from './operations/operation.ts'
import { structural } from './operations/structural.ts'
import { transcendental } from './operations/transcendental.ts'
import { windows } from './operations/window.ts'
import { numbers, randomTensor } from './random-numbers.ts'

const table: Readonly<Record<string, Operation>> = {
  ...elementwise,
  ...structural,
  ...windows,
  ...gathers,
  ...transcendental,
  ...compositions,
}

/** Names of the ops that random graphs are made of. */
export const operations: readonly string[] = /* @__PURE__ */ Object.keys(table)

/** Ops whose value jumps, of which their derivative says nothing. */
export const jumping: readonly string[] = [
  'sign',
  'floor',
  'ceil',
  'round',
  'rem',
  'equal',
  'less',
  'greater',
  'logicalNot',
  'logicalAnd',
  'logicalOr',
  'cast',
  'argmax',
  'topIndices',
]

export interface RandomGraphOptions {
  /** Determines every choice. */
  readonly seed: number
  /** Ops to apply, one after the other. Default: 6. */
  readonly steps?: number
  /** Default: all. */
  readonly operations?: readonly string[]
  /** Tensors, among the inputs or not, that weights are made of. Default: the inputs. */
  readonly weights?: readonly Tensor[]
  /** No tensor has more elements. Default: 300. */
  readonly largest?: number
  /** How likely the newest tensor is to be continued. Default: 0.6. */
  readonly depth?: number
}

/** Random expressions of the inputs, in the order in which they were built; the inputs themselves are not among them. */
export function randomExpressions(inputs: readonly Tensor[], options: RandomGraphOptions): Tensor[] {
  const { seed, steps = 6, largest = 300, weights = inputs, depth = 0.6 } = options
  const allowed = options.operations ?? operations
  const random = numbers(seed)
  const built: Tensor[] = []
  let exact: readonly Tensor[] = inputs
  for (let attempt = 0; built.length < steps && attempt < 20 * steps; attempt++) {
    const newest = built.at(-1)
    const deep = newest !== undefined && random.chance(depth)
    const all = [...inputs, ...built]
    const pool: Pool = { first: deep ? [newest] : all, tensors: all, exact, weights, largest }
    const operation = table[random.pick(allowed)]!
    const isExact = operation.exact === true && random.chance(0.5)
    const result = operation.apply(
      isExact ? { ...pool, first: exact, tensors: exact, weights: inputs } : pool,
      random,
    )
    if (result === undefined || inputs.includes(result) || built.includes(result)) continue
    built.push(result)
    if (isExact) exact = [...exact, result]
  }
  return built
}

export interface RandomInputOptions {
  readonly seed: number
  /** Whether an input may have an axis of size 0. Default: false. */
  readonly empty?: boolean
}

/** Inputs for random expressions: a matrix, an image or so, a vector, and one of any shape. */
export function randomInputs({ seed, empty = false }: RandomInputOptions): Tensor[] {
  const random = numbers(seed)
  const sizes = (rank: number): number[] => Array.from({ length: rank }, () => random.between(1, 4))
  // Many axes are short ones, or there would be many elements.
  const any = random.chance(0.15)
    ? Array.from({ length: random.between(5, 8) }, () => random.between(1, 2))
    : sizes(random.integer(4))
  if (empty && any.length > 0 && random.chance(0.5)) any[random.integer(any.length)] = 0
  const shapes = [
    sizes(2),
    [random.between(1, 2), random.between(1, 4), ...sizes(random.between(1, 3))],
    sizes(1),
    any,
  ]
  return shapes.map((shape) => randomTensor(shape, random))
}
