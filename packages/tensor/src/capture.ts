/** @file A function's graph without running it: what a writer of files needs. */
import type { Graph } from './engine.ts'
import { BeyondgradError } from './errors.ts'
import type { AnyTensor } from './node.ts'
import { graphOf, requestOf } from './program.ts'
import { structureOf } from './structure.ts'
import { traced } from './tracing.ts'

/** What a function computes, as engines get it, and where its values come from. */
export interface Captured {
  /** Primitives over placeholders; composites are expanded, guards are dropped. */
  readonly graph: Graph
  /** For each input of the graph the leaf it stands for: a cell, data, random numbers, or a placeholder of yours. */
  readonly leaves: readonly AnyTensor[]
  /** For each output of the graph its place in the result, as keys and positions from the outside in. */
  readonly paths: readonly (readonly string[])[]
}

/**
 * Traces a function that returns tensors in any structure that `evaluate` takes.
 *
 * @param caller who asks, for messages
 * @throws BeyondgradError `tracing` if the result is a promise, `value` if it asks for updates of cells
 */
export function capture(fn: () => object, caller: string): Captured {
  const result = traced(fn)
  if (result instanceof Promise) {
    // What it fails with is nobody's to catch, and would end the process.
    result.catch(() => undefined)
    throw new BeyondgradError(
      'tracing',
      `${caller}: the function must build its result synchronously, not return a promise`,
    )
  }
  const { tensors, paths, updates } = structureOf(result)
  if (updates.length > 0) {
    throw new BeyondgradError(
      'value',
      `${caller}: the result asks for updates of parameters, which nothing here carries out; return the new values as tensors`,
    )
  }
  const { program, leaves } = requestOf(tensors)
  const { inputs, outputs } = graphOf(program)
  return { graph: { inputs, outputs: outputs.slice(0, tensors.length) }, leaves, paths }
}
