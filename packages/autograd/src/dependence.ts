/** @file Which parameters an expression depends on. */
import {
  type AnyTensor,
  BeyondgradError,
  type Cell,
  cellOf,
  isNamedMap,
  namedMap,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { type Parameter, type ParameterMap, parameterOf } from './parameter.ts'

/**
 * The leaves of a graph that are trainable parameters. Throws `value` if two of them have one name, or one that is wanted
 * does not occur.
 *
 * @param wanted restricts to these and gives them their names
 */
export function parametersOf(
  outputs: readonly AnyTensor[],
  wanted?: ParameterMap<Parameter> | readonly Parameter[],
): ParameterMap<AnyTensor> {
  const leaves = new Map<Cell, AnyTensor>()
  for (const node of topologicalOrder(outputs)) {
    const found = cellOf(node)
    if (found !== undefined && !leaves.has(found.cell)) leaves.set(found.cell, node)
  }
  if (wanted === undefined) {
    const found = [...leaves].filter(([cell]) => cell.trainable)
    const names = found.map(([cell]) => cell.name)
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) {
      throw new BeyondgradError(
        'value',
        `two parameters of this loss are called "${twice}": join their models to one, as in Sequential({ encoder, decoder }), or give their parameters other names with qualified()`,
      )
    }
    return namedMap(found.map(([cell, leaf]) => [parameterOf(cell), leaf] as const))
  }
  const list = isNamedMap(wanted) ? [...wanted].map(([, p]) => p) : wanted
  return namedMap(
    list
      .filter((p) => p.trainable)
      .map((p) => {
        const leaf = leaves.get(p.cell)
        if (leaf === undefined) {
          throw new BeyondgradError(
            'value',
            `parameter "${p.name}" does not influence the loss; leave it out`,
          )
        }
        return [p, leaf] as const
      }),
  )
}
