/** @file What window ops demand of their operands. */
import { isFloat } from '../dtype.ts'
import { DTypeError, ShapeError } from '../errors.ts'
import type { AnyTensor } from '../node.ts'
import { checkList } from '../shape.ts'
import type { Window } from './window.ts'

/** Throws unless this is a window, with whole numbers for each of its axes. */
export function checkWindow(op: string, window: Window): void {
  // Plain JavaScript may bring anything.
  const given = (window as Partial<Window> | undefined) ?? {}
  const { kernel } = given
  checkList(op, "the window's kernel", kernel)
  if (kernel!.length === 0) throw new ShapeError(op, 'a window needs at least one spatial axis')
  for (const name of ['kernel', 'stride', 'before', 'after', 'dilation'] as const) {
    const list = given[name]
    checkList(op, `the window's ${name}`, list)
    const least = name === 'before' || name === 'after' ? 0 : 1
    if (list!.length !== kernel!.length || list!.some((n) => !Number.isInteger(n) || n < least)) {
      throw new ShapeError(
        op,
        `the window's ${name} [${list!.join(', ')}] must be ${kernel!.length} integers, each at least ${least}`,
      )
    }
  }
}

/** Throws for other operands than floats: windows are weighed and compared as such. */
export function demandFloats(op: string, inputs: readonly AnyTensor[]): void {
  for (const { dtype } of inputs) {
    if (!isFloat(dtype)) throw new DTypeError(op, `takes floating-point tensors, not ${dtype}; use cast()`)
  }
}
