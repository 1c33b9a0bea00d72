/** @file Whether a function is being traced right now. Tracing is synchronous, so one counter is enough. */
import { BeyondgradError } from './errors.ts'

let depth = 0

export function isTracing(): boolean {
  return depth > 0
}

/** Runs `fn`, during which reading a value is an error. */
export function traced<T>(fn: () => T): T {
  depth++
  try {
    return fn()
  } finally {
    depth--
  }
}

export function throwIfTracing(what: string): void {
  if (depth > 0) {
    throw new BeyondgradError(
      'tracing',
      `${what}: there are no values while a function is being traced; return the tensor from the function instead`,
    )
  }
}
