/** @file Writes to cells: what a run that changes parameters returns beside its results. */
import type { HostArray } from './dtype.ts'
import { BeyondgradError, cancelled, DTypeError, ShapeError } from './errors.ts'
import type { Cell } from './leaf.ts'
import type { AnyTensor } from './node.ts'
import { formatShape, sameShape } from './shape.ts'

/** New values for cells, committed all at once after the run that computes them, or not at all. */
export interface Updates {
  readonly '~updates': 1
  readonly writes: readonly (readonly [Cell, AnyTensor])[]
}

/** Describes writes; return the result from a compiled function, or evaluate it, to have them done. */
export function updates(writes: Iterable<readonly [Cell, AnyTensor]>): Updates {
  const list = [...writes]
  for (const [cell, value] of list) {
    if (!sameShape(cell.shape, value.shape)) {
      throw new ShapeError(
        'updates',
        `"${cell.name}" has shape ${formatShape(cell.shape)}, its new value ${formatShape(value.shape)}`,
      )
    }
    if (cell.dtype !== value.dtype) {
      throw new DTypeError('updates', `"${cell.name}" holds ${cell.dtype}, its new value is ${value.dtype}`)
    }
  }
  return { '~updates': 1, writes: list }
}

/** All writes of one run; a cell can be given one new value only. */
export function writesOf(all: readonly Updates[]): readonly (readonly [Cell, AnyTensor])[] {
  const writes = all.flatMap((update) => update.writes)
  const cells = new Set<Cell>()
  for (const [cell] of writes) {
    if (cells.has(cell)) {
      throw new BeyondgradError(
        'value',
        `updates: "${cell.name}" would be written twice in one run; combine the updates`,
      )
    }
    cells.add(cell)
  }
  return writes
}

export function isUpdates(value: unknown): value is Updates {
  return typeof value === 'object' && value !== null && '~updates' in value
}

/** Swaps buffers; expressions that were built from the old ones are stale from now on. */
export function commit(writes: readonly (readonly [Cell, AnyTensor])[], values: readonly HostArray[]): void {
  writes.forEach(([cell], i) => {
    cell.data = values[i]!
    cell.version++
  })
}

/**
 * Runs `task` after every earlier writing run on any of the cells: first in, first out per cell. A signal that comes while
 * it waits rejects at once; the task, which must look at the signal itself, still keeps its place.
 */
export function inTurn<T>(
  cells: readonly Cell[],
  task: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const before = cells.map((cell) => cell.writing).filter((wait) => wait !== undefined)
  const turn = Promise.all(before)
  const run = before.length === 0 ? task() : turn.then(task)
  const settled = run.then(
    () => undefined,
    () => undefined,
  )
  for (const cell of cells) cell.writing = settled
  return signal === undefined || before.length === 0 ? run : unlessCancelledBefore(turn, run, signal)
}

function unlessCancelledBefore<T>(turn: Promise<unknown>, run: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(cancelled('the evaluation was cancelled before it ran'))
    if (signal.aborted) cancel()
    signal.addEventListener('abort', cancel, { once: true })
    void turn.then(() => signal.removeEventListener('abort', cancel))
    run.then(resolve, reject)
  })
}
