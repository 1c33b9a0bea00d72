/** @file What `checkEngine` found out about several engines, as a Markdown table. */
import type { EngineReport } from './engine.ts'

/**
 * A table of ops and engines: in how many random graphs, and gradients of them, each op came out as the reference engine
 * computes it. What an engine refused follows as a list.
 *
 * @param reports by the names that the columns get
 */
export function engineTable(reports: ReadonlyMap<string, EngineReport>): string {
  const columns = [...reports]
  const ops = [...new Set(columns.flatMap(([, { ops }]) => [...ops.keys()]))].sort()
  const head = [
    row(['op', ...columns.map(([name]) => name)]),
    row(['---', ...columns.map(() => '---:')]),
    row(['_graphs_', ...columns.map(([, { graphs }]) => graphs)]),
  ]
  const body = ops.map((op) => row([`\`${op}\``, ...columns.map(([, report]) => report.ops.get(op) ?? '–')]))
  return [...head, ...body, '', ...columns.flatMap(refusalsOf)].join('\n')
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

function refusalsOf([name, { refusals }]: readonly [string, EngineReport]): readonly string[] {
  if (refusals.size === 0) return [`- ${name}: nothing was refused.`]
  return [...refusals].map(([reason, graphs]) => `- ${name} refused ${graphs} graph(s): ${reason}`)
}
