/**
 * @file Guards: the first input, handed on if the second passes a check. The executor runs the check on the host –
 * before the run where the checked tensor is a leaf, after it otherwise – and engines never see the node.
 */
import type { DType, HostArray } from '../dtype.ts'
import { DataError } from '../errors.ts'
import { type AnyTensor, build } from '../node.ts'
import type { Op } from '../op.ts'
import { formatShape, type Shape } from '../shape.ts'

/** What is demanded of the checked tensor; `what` names it in the message. */
export type Check =
  | { readonly kind: 'finite' | 'not-nan' | 'not-negative' | 'positive'; readonly what: string }
  | {
      readonly kind: 'range'
      readonly what: string
      readonly from: number
      readonly below: number
      /** A value outside the range that is allowed all the same. */
      readonly except?: number
    }

const guardOp: Op = {
  name: 'guard',
  family: 'guard',
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  kernel: ([x]) => x!.data,
}

/** `x`, provided that `checked` passes; otherwise the evaluation fails with a `DataError`. */
export function guard<T extends AnyTensor>(x: T, checked: AnyTensor, check: Check): T {
  return build<DType>(guardOp, [x, checked], { ...check }) as T
}

/** What a guard demands. */
export function checkOf(node: AnyTensor): Check {
  return node.attributes as unknown as Check
}

/** Throws `DataError` naming the first element that fails. */
export function runCheck(check: Check, data: HostArray, shape: Shape): void {
  const isQuick = check.kind === 'finite' || check.kind === 'not-nan'
  if (isQuick && allFinite(data as Float32Array)) return
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i])
    if (!passes(check, value)) throw failure(check, value, position(i, shape), shape)
  }
}

function passes(check: Check, value: number): boolean {
  switch (check.kind) {
    case 'finite':
      return Number.isFinite(value)
    case 'not-nan':
      return !Number.isNaN(value)
    case 'not-negative':
      return !(value < 0)
    case 'positive':
      return !(value <= 0)
    case 'range':
      if (value === check.except) return true
      return Number.isInteger(value) && value >= check.from && value < check.below
  }
}

function failure(check: Check, value: number, at: string, shape: Shape): DataError {
  switch (check.kind) {
    case 'finite':
    case 'not-nan':
      return new DataError(
        `${check.what} contains ${value} at ${at} (shape ${formatShape(shape)}): clean the data first`,
      )
    case 'not-negative':
      return new DataError(`${check.what} is ${value} at ${at}; it must not be negative here`)
    case 'positive':
      return new DataError(`${check.what} is ${value} at ${at}; it must be above 0 here`)
    case 'range':
      return new DataError(
        `${check.what} contains ${value} at ${at}, which is not an integer from ${check.from} to ${check.below - 1}`,
      )
  }
}

/** Four sums of x · 0 at a time: 0 unless there is a NaN or an infinity, and quick, since every run asks. */
function allFinite(data: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0]
  const whole = data.length & ~3
  for (let i = 0; i < whole; i += 4) {
    a += data[i]! * 0
    b += data[i + 1]! * 0
    c += data[i + 2]! * 0
    d += data[i + 3]! * 0
  }
  for (let i = whole; i < data.length; i++) a += data[i]! * 0
  return a + b + c + d === 0
}

function position(index: number, shape: Shape): string {
  const at: number[] = []
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    at.unshift(rest % shape[axis]!)
    rest = Math.floor(rest / shape[axis]!)
  }
  return formatShape(at)
}
