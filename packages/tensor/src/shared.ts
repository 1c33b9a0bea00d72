/** @file What all copies of this package in one process have in common: the current engine, and whether one traces. */
import type { Engine } from './engine.ts'

interface Shared {
  engine?: Engine
  /** How many traced functions are running. */
  tracing: number
}

/** One object for every copy with this protocol number. */
export function shared(): Shared {
  const key = Symbol.for('beyondgrad.1')
  const scope = globalThis as unknown as Record<symbol, Shared | undefined>
  return (scope[key] ??= { tracing: 0 })
}
