/** @file What `backward` would do, before it does it: how parameters enter, what each quantity costs, and what cannot be had. */
import { BeyondgradError, capture, formatShape, liveBytes, type Tensor, workOf } from '@beyondgrad/tensor'
import { type Analysis, analyse, type Entrance } from './analysis.ts'
import { type BackwardOptions, defaults, runExtensions } from './backward.ts'
import type { Extension, Extensions } from './extension.ts'
import { type Form, formOf } from './layouts/index.ts'
import { parameterMap, type ParameterPath } from './parameter-path.ts'

/** One place where a parameter meets the samples. */
export interface ExplainedUse {
  /** The op, and the shapes that it works on. */
  readonly op: string
  readonly shapes: readonly (readonly number[])[]
  readonly form: Form
  /** Whether results come back to the parameter by moving entries alone; otherwise per-sample parts are multiplied out. */
  readonly moves: boolean
}

export interface ExplainedParameter {
  readonly name: string
  readonly shape: readonly number[]
  readonly uses: readonly ExplainedUse[]
}

/** `native`: everything stays factored; `fallback`: something is multiplied out, N times the work; else `impossible`. */
export type Feasibility = 'native' | 'fallback' | 'impossible'

export interface ExplainedQuantity {
  readonly quantity: string
  readonly status: Feasibility
  /** Why it is impossible, or which parameters fall back. */
  readonly because?: string
  /** Second-order columns that travel back, if any. */
  readonly columns?: number
  /** Multiplications of one execution, or what takes as long. */
  readonly work?: number
  /** The same in gradients. */
  readonly ratio?: number
  /** Bytes of intermediates and results alive at once, inputs and parameters apart. */
  readonly bytes?: number
}

export interface Explanation {
  readonly samples: number
  readonly parameters: readonly ExplainedParameter[]
  readonly quantities: readonly ExplainedQuantity[]
  /** All of it as tables. */
  toString(): string
}

/**
 * Explains what `backward(loss, extensions)` would do, without executing anything. Numbers are estimates from the graph; what
 * an engine makes of it is for `beyondgrad bench` to say.
 *
 * Throws as `backward` does where the loss itself is none; what single extensions can't do is listed.
 */
export function explain(loss: Tensor, extensions: Extensions, options: BackwardOptions = {}): Explanation {
  const { memory = defaults.memory, limit = defaults.limit } = options
  const analysis = analyse(loss, options)
  const uses = usesOf(analysis)
  const gradient = workOf(
    capture(() => analysis.parameters.map((parameter) => analysis.gradient(parameter)), 'explain').graph,
  )
  const explained = {
    samples: analysis.samples,
    parameters: uses,
    quantities: Object.entries(extensions).map(([quantity, extension]) =>
      explainOne(quantity, extension, { analysis, uses, gradient, memory, limit }),
    ),
  }
  return { ...explained, toString: () => formatExplanation(explained) }
}

function usesOf(analysis: Analysis): ExplainedParameter[] {
  const entrances = entrancesOf(analysis)
  return analysis.parameters.map(({ name, shape, cell }) => ({
    name,
    shape,
    uses: entrances.flatMap((entrance) =>
      entrance.paths.filter((path) => path.parameter.cell === cell).map((path) => explainUse(entrance, path)),
    ),
  }))
}

/** None where samples mix: then first-order quantities say so for themselves. */
function entrancesOf(analysis: Analysis): readonly Entrance[] {
  try {
    return analysis.entrances('explain')
  } catch (error) {
    if (error instanceof Error && 'code' in error) return []
    throw error
  }
}

function explainUse(entrance: Entrance, path: ParameterPath): ExplainedUse {
  const { node } = entrance
  return {
    op: node.op.name,
    shapes: node.inputs.map(({ shape }) => shape),
    form: formOf(entrance),
    moves: parameterMap(path).selects,
  }
}

interface Circumstances {
  readonly analysis: Analysis
  readonly uses: readonly ExplainedParameter[]
  readonly gradient: number
  readonly memory: number
  readonly limit: number
}

function explainOne(quantity: string, extension: Extension<unknown>, at: Circumstances): ExplainedQuantity {
  const { analysis, memory, limit, gradient } = at
  let columns: number | undefined
  try {
    // In one piece and without a limit: that is quickly built, and counts the columns.
    const counted = (count: number): void => void (columns = (columns ?? 0) + count)
    runExtensions(analysis, { quantity: extension }, { memory: Infinity, limit: Infinity, counted })
    if (columns !== undefined && columns > limit) {
      const because = `needs ${columns} columns, and the limit is ${limit}; raise it, or use a stochastic quantity such as DiagHessianMC or DiagGGNMC`
      return { quantity, status: 'impossible', because, columns }
    }
    const { graph } = capture(
      () => runExtensions(analysis, { quantity: extension }, { memory, limit }),
      'explain',
    )
    const work = workOf(graph)
    // The gradient itself needs no per-sample parts.
    const slow = work > gradient ? fallbacks(at.uses) : []
    return {
      quantity,
      status: slow.length > 0 ? 'fallback' : 'native',
      ...(slow.length > 0 && { because: slow.join('; ') }),
      ...(columns !== undefined && { columns }),
      work,
      ratio: gradient === 0 ? 0 : work / gradient,
      bytes: liveBytes(graph),
    }
  } catch (error) {
    if (!(error instanceof BeyondgradError)) throw error
    return { quantity, status: 'impossible', because: error.message }
  }
}

/** Why something is multiplied out: a clause for each reason, with the parameters that it is true of. */
function fallbacks(uses: readonly ExplainedParameter[]): string[] {
  const reasons = new Map<string, string[]>()
  for (const { name, uses: list } of uses) {
    // A sum is one number for each entry and sample anyway: to multiply it out costs nothing more.
    const slow = list.find(({ form, moves }) => form === 'sample by sample' || !(moves || form === 'sum'))
    if (slow === undefined) continue
    const why = slow.moves
      ? `enters "${slow.op}" sample by sample`
      : `is computed with before it meets "${slow.op}"`
    reasons.set(why, [...(reasons.get(why) ?? []), name])
  }
  return [...reasons].map(([why, [first, ...more]]) =>
    more.length === 0 ? `${first} ${why}` : `${first} ${why}; so it is with ${more.length} more parameters`,
  )
}

function formatExplanation({ samples, parameters, quantities }: Omit<Explanation, 'toString'>): string {
  const uses = parameters.flatMap(({ name, shape, uses: list }) =>
    list.map(({ op, shapes, form, moves }) => [
      name,
      formatShape(shape),
      `${op} ${shapes.map(formatShape).join(' ')}`,
      moves ? form : `${form}, multiplied out`,
    ]),
  )
  const costs = quantities.map(({ quantity, status, because, columns, ratio, bytes }) => [
    quantity,
    status,
    columns === undefined ? '' : String(columns),
    ratio === undefined ? '' : ratio.toFixed(1),
    bytes === undefined ? '' : (bytes / 2 ** 20).toFixed(1),
    because ?? '',
  ])
  return [
    `${samples} samples`,
    table(['parameter', 'shape', 'meets the samples in', 'form'], uses),
    table(['quantity', 'status', 'columns', 'gradients', 'MiB', 'because'], costs),
  ].join('\n\n')
}

/** Columns as wide as their widest cell. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)))
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
