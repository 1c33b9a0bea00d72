/**
 * @file Ops of one's own: a name, what it stands for in ops that are there already, and – where that is better than what
 * follows from the expansion – rules. The rules travel with the op, so that nothing is registered anywhere.
 */
import {
  type AnyTensor,
  type Attributes,
  BeyondgradError,
  build,
  defineComposite,
  type Op,
  type Tensor,
} from '@beyondgrad/tensor'
import type { Rule } from './rules/rule.ts'

/** What an op is. */
export interface OpDefinition {
  /** Unique, after the package: `'my-package:swish'`. */
  readonly name: string
  /** The op as an expression of others; for engines, `vmap`, export, and, without `rule`, for derivatives and labels too. */
  readonly expand: (inputs: readonly Tensor[], attributes: Attributes) => Tensor
  /** Derivatives, sample axis and curvature of the op itself; check it with `checkRule` of `@beyondgrad/testing`. */
  readonly rule?: Rule
}

/** An op that brings its rule. */
interface RuledOp extends Op {
  readonly rule?: Rule
}

/** The rule that an op brings along; undefined for primitives, and for composites that are expanded for derivatives. */
export function ownRuleOf(node: AnyTensor): Rule | undefined {
  return (node.op as RuledOp).rule
}

/**
 * Defines an op.
 *
 * @returns a function that builds a node of it
 */
export function defineOp(
  definition: OpDefinition,
): (inputs: readonly AnyTensor[], attributes?: Attributes) => Tensor {
  const { name, expand, rule } = definition
  if (!name.includes(':')) {
    throw new BeyondgradError(
      'value',
      `defineOp: "${name}" needs the package's name in front, as in "my-package:${name}", so that two packages can't mean different ops by it`,
    )
  }
  const op: RuledOp = {
    ...defineComposite({
      name,
      alternatives: [
        {
          name: 'expansion',
          expand: (inputs, attributes) => expand(inputs as readonly Tensor[], attributes),
        },
      ],
    }),
    ...(rule && { rule }),
  }
  return (inputs, attributes) => build(op, inputs, attributes)
}
