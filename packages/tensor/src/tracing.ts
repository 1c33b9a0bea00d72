/** @file Whether a function is being traced right now. Tracing is synchronous, so one counter is enough. */
import { BeyondgradError } from './errors.ts'
import { shared } from './shared.ts'

export function isTracing(): boolean {
  return shared().tracing > 0
}

/** Runs `fn`, during which reading a value is an error. */
export function traced<T>(fn: () => T): T {
  shared().tracing++
  try {
    return fn()
  } finally {
    shared().tracing--
  }
}

export function throwIfTracing(what: string): void {
  if (isTracing()) {
    throw new BeyondgradError(
      'tracing',
      `${what}: there are no values while a function is being traced; return the tensor from the function instead`,
    )
  }
}
