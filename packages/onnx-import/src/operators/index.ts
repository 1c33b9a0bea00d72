/** @file The table of operators, by domain and name. */
import type { Node } from '../graph.ts'
import { type OnnxOperator, type OperatorTable, type OperatorVersion, versionOf } from '../operator.ts'
import { activations } from './activation.ts'
import { arithmetic } from './arithmetic.ts'
import { contractions } from './contraction.ts'
import { contrib } from './contrib.ts'
import { convolutions } from './convolution.ts'
import { dropouts } from './dropout.ts'
import { grids } from './grid.ts'
import { indexing } from './indexing.ts'
import { logic } from './logic.ts'
import { movements } from './movement.ts'
import { normalizations } from './normalization.ts'
import { pools } from './pooling.ts'
import { attentions } from './attention.ts'
import { controls } from './control.ts'
import { losses } from './loss.ts'
import { quantizations } from './quantization.ts'
import { recurrents } from './recurrent.ts'
import { resamplings } from './resampling.ts'
import { reductions } from './reduction.ts'
import { sources } from './source.ts'

const standard: OperatorTable = {
  ...activations,
  ...arithmetic,
  ...contractions,
  ...convolutions,
  ...dropouts,
  ...grids,
  ...indexing,
  ...logic,
  ...movements,
  ...normalizations,
  ...pools,
  ...reductions,
  ...attentions,
  ...controls,
  ...losses,
  ...quantizations,
  ...recurrents,
  ...resamplings,
  ...sources,
}

/** Tables by domain. */
const tables: ReadonlyMap<string, OperatorTable> = /* @__PURE__ */ new Map([
  ['', standard],
  ['com.microsoft', contrib],
])

/** Finds what the operator of a node means in its version; undefined if nobody knows. */
export type OperatorLookup = (
  node: Pick<Node, 'domain' | 'operator' | 'opset'>,
) => OperatorVersion | undefined

/** @param own operators of the user's, which come first */
export function operatorLookup(own: readonly OnnxOperator[] = []): OperatorLookup {
  return ({ domain, operator, opset }) => {
    const found = own.find(
      (each) =>
        each.name === operator &&
        (each.domain ?? '') === domain &&
        (each.since ?? 1) <= opset &&
        opset <= (each.until ?? Infinity),
    )
    if (found !== undefined) return { ...found, since: found.since ?? 1 }
    const table = tables.get(domain)
    if (table === undefined || !Object.hasOwn(table, operator)) return undefined
    return versionOf(table[operator]!, opset)
  }
}

/** Names of the operators of a domain (default: the standard one) that are known in some version. */
export function knownOperators(domain = ''): string[] {
  return Object.keys(tables.get(domain) ?? {}).sort()
}

/** All that an operator has meant. */
export function versionsOf(domain: string, name: string): readonly OperatorVersion[] {
  return tables.get(domain)?.[name] ?? []
}
