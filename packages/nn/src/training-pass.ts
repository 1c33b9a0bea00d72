/**
 * @file One forward computation in training mode. A module is a function, and its mode is not a flag inside of it: calling it
 * evaluates, and a training pass gives the view of it that trains. So both can be in one expression, and nothing is global.
 */
import type { Buffer, Module } from '@beyondgrad/autograd'
import { type AnyTensor, type Cell, type Updates, updates } from '@beyondgrad/tensor'
import { layerParts } from './module.ts'

/** What layers do beyond computing while they train: draw random masks, and keep statistics. */
export interface TrainingPass {
  /** The module as it computes in this pass. What a plain function does is the same in both modes. */
  of<I extends readonly unknown[], O>(module: Module<I, O>): (...inputs: I) => O
  /** A buffer as this pass has left it so far. */
  read(buffer: Buffer): AnyTensor
  /** The buffer's new value, for the rest of the pass and, once `updates` are committed, for good. */
  write(buffer: Buffer, value: AnyTensor): void
  /** How often this has been asked for `key` before: a layer that is used twice draws two masks. */
  uses(key: object): number
  /** The writes to buffers; return them beside the results, so that they are committed with the step, or not at all. */
  updates(): Updates
}

/** A new training pass. `trainStep` makes one at every trace; a loop of one's own makes one for each step. */
export function trainingPass(): TrainingPass {
  const written = new Map<Cell, AnyTensor>()
  const counts = new Map<object, number>()
  const pass: TrainingPass = {
    of: (module) => layerParts(module).inTraining?.(pass) ?? module,
    read: (buffer) => written.get(buffer.cell) ?? buffer.value,
    write: (buffer, value) => {
      written.set(buffer.cell, value)
    },
    uses: (key) => {
      const count = counts.get(key) ?? 0
      counts.set(key, count + 1)
      return count
    },
    updates: () => updates(written),
  }
  return pass
}
