/** @file Groups of parameters: each has a spectrum of its own. */
import type { Parameter } from '@beyondgrad/autograd'
import { BeyondgradError } from '@beyondgrad/tensor'

/**
 * Which parameters belong together: all of them ('all'), those of a layer – names that agree up to the last dot – ('layer'), every one
 * by itself ('parameter'), or lists of parameters or their names.
 */
export type ParameterGroups = 'all' | 'layer' | 'parameter' | readonly (readonly (Parameter | string)[])[]

/** The groups among the parameters at hand; throws `value` for an empty group, a name that is none, or one that is in two groups. */
export function groupsOf(
  parameters: readonly Parameter[],
  groups: ParameterGroups,
): readonly (readonly Parameter[])[] {
  if (groups === 'all') return [parameters]
  if (groups === 'parameter') return parameters.map((parameter) => [parameter])
  if (groups === 'layer') {
    const layers = new Map<string, Parameter[]>()
    for (const parameter of parameters) {
      const layer = parameter.name.slice(0, Math.max(0, parameter.name.lastIndexOf('.')))
      layers.set(layer, [...(layers.get(layer) ?? []), parameter])
    }
    return [...layers.values()]
  }
  if (!Array.isArray(groups)) {
    throw new BeyondgradError(
      'value',
      `groups is "all", "layer", "parameter" or lists of parameters, not ${JSON.stringify(groups)}`,
    )
  }
  const seen = new Set<object>()
  return (groups as readonly (readonly (Parameter | string)[])[]).map((members, i) => {
    if (members.length === 0) throw new BeyondgradError('value', `groups: group ${i + 1} has no parameters`)
    return members.map((member) => {
      const found = parameters.find((each) =>
        typeof member === 'string' ? each.name === member : each.cell === member.cell,
      )
      const name = typeof member === 'string' ? member : member.name
      if (found === undefined) {
        const names = parameters.map((each) => `"${each.name}"`).join(', ')
        throw new BeyondgradError('value', `groups: there is no parameter "${name}" here; there are ${names}`)
      }
      if (seen.has(found.cell)) throw new BeyondgradError('value', `groups: "${name}" is in two groups`)
      seen.add(found.cell)
      return found
    })
  })
}
