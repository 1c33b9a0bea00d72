/**
 * @file Which axes can be free: the function is traced at several sizes, and what the traces have in common is found. An
 * axis for which that fails stays at one size, and a note says where it failed and why.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import type { GraphProto, NodeProto } from '../proto/onnx_pb.ts'
import { equalBytes, Constants, type FreeAxis, Names, SizeNodes } from './size-nodes.ts'
import { type SizedInput, type Trace, traceAt, type Traceable } from './trace.ts'
import { Difference, type Sample, type Unified, unify } from './unify.ts'

/** What is written to the file, with the axes that turned out to be free. */
export interface Freed {
  /** The trace at the first sizes, for names, parameters and dtypes. */
  readonly trace: Trace
  readonly unified: Unified
  readonly constants: Constants
  readonly sizeNodes: SizeNodes
  readonly axes: readonly FreeAxis[]
  readonly notes: readonly string[]
}

/**
 * Sizes of each axis, a trace each. Different remainders, so that a size that was rounded does not look like a multiple;
 * no axis is a simple function of another.
 */
const traceSizes = [
  [5, 6, 7, 11],
  [9, 13, 10, 8],
  [12, 17, 8, 15],
]

/** Added to the sizes in turn: a size may also be that of another axis by chance, which confuses them. */
const attempts = [0, 14, 26, -3]

/** @param sizes the size of each axis where it can't be free */
export function free(
  fn: Traceable,
  inputs: (sizes: ReadonlyMap<string, number>) => readonly SizedInput[],
  axes: readonly FreeAxis[],
  sizes: ReadonlyMap<string, number>,
  name: string,
): Freed {
  const trace = (at: ReadonlyMap<string, number>): Trace => traceAt(fn, inputs(at), name)
  const all = freed(trace, axes, sizes)
  if (!(all instanceof Difference)) return { ...all, notes: [] }
  const notes: string[] = []
  let kept: readonly FreeAxis[] = []
  let best: Omit<Freed, 'notes'> | undefined
  for (const axis of axes) {
    const found = axes.length === 1 ? all : freed(trace, [...kept, axis], sizes)
    if (!(found instanceof Difference)) {
      kept = [...kept, axis]
      best = found
      continue
    }
    notes.push(`axis "${axis.name}" stays at size ${sizes.get(axis.name)}: ${found.why}`)
  }
  best ??= fixed(trace, sizes)
  return { ...best, notes }
}

type Tracer = (sizes: ReadonlyMap<string, number>) => Trace

function fixed(trace: Tracer, sizes: ReadonlyMap<string, number>): Omit<Freed, 'notes'> {
  const found = combined([{ trace: trace(sizes), sizes: [] }], [])
  if (found instanceof Difference) throw new BeyondgradError('engine', `exportOnnx: ${found.why}`)
  return found
}

function freed(
  trace: Tracer,
  axes: readonly FreeAxis[],
  sizes: ReadonlyMap<string, number>,
): Omit<Freed, 'notes'> | Difference {
  if (axes.length === 0) return fixed(trace, sizes)
  let why: Difference | undefined
  for (const more of attempts) {
    const traces: { trace: Trace; sizes: number[] }[] = []
    let failure: Difference | undefined
    for (let i = 0; i < traceSizes[0]!.length && failure === undefined; i++) {
      const point = axes.map((_, j) => traceSizes[j]![i]! + more)
      const at = new Map([...sizes, ...axes.map((axis, j) => [axis.name, point[j]!] as const)])
      try {
        traces.push({ trace: trace(at), sizes: point })
      } catch (error) {
        // If it fails at every size, it is called once more at the fixed ones, and the caller sees the error itself.
        const where = axes.map((axis, j) => `${axis.name} = ${point[j]}`).join(', ')
        const message = error instanceof Error ? error.message : String(error)
        failure = new Difference(`at ${where} the function fails (${message})`)
      }
    }
    const found = failure ?? combined(traces, axes)
    if (!(found instanceof Difference)) return found
    why ??= found
  }
  return why!
}

function combined(
  traces: readonly { readonly trace: Trace; readonly sizes: readonly number[] }[],
  axes: readonly FreeAxis[],
): Omit<Freed, 'notes'> | Difference {
  const samples: Sample[] = traces.map(({ trace, sizes }) => ({ graph: trace.graph, sizes }))
  const [{ trace }] = traces as [(typeof traces)[number], ...typeof traces]
  const changing = trace.cells.find(({ cell }, i) =>
    traces.some((other) => !sameBytes(cell.data, other.trace.cells[i]?.cell.data)),
  )
  if (changing !== undefined) {
    return new Difference(
      `parameter "${changing.name}" is another one whenever the function is traced; make it outside of the function`,
    )
  }
  const names = new Names(namesOf(trace.graph))
  const constants = new Constants(names)
  const sizeNodes = new SizeNodes(axes, names, constants)
  const unified = unify(
    samples,
    axes.map((axis) => axis.name),
    constants,
    sizeNodes,
  )
  if (unified instanceof Difference) return located(unified, trace.graph)
  return { trace, unified, constants, sizeNodes, axes }
}

function sameBytes(a: ArrayBufferView, b: ArrayBufferView | undefined): boolean {
  if (a === b || b === undefined) return a === b
  return equalBytes(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
  )
}

/** All names but those of constants, which get new ones. */
function namesOf({ input, output, node }: GraphProto): string[] {
  return [...input, ...output].map(({ name }) => name).concat(node.flatMap((each) => each.output))
}

/** The difference with the outputs that it concerns. */
function located({ node, why }: Difference, graph: GraphProto): Difference {
  if (node === undefined) return new Difference(why)
  const names = outputsBehind(node, graph).map((name) => `"${name}"`)
  const shown = names.length > 3 ? [...names.slice(0, 3), `${names.length - 3} more`] : names
  return new Difference(`on the way to ${shown.join(', ')}, ${why}`, node)
}

function outputsBehind(node: NodeProto, graph: GraphProto): string[] {
  const reached = new Set(node.output)
  for (const each of graph.node) {
    if (each.input.some((name) => reached.has(name))) for (const name of each.output) reached.add(name)
  }
  return graph.output.flatMap(({ name }) => (reached.has(name) ? name : []))
}
