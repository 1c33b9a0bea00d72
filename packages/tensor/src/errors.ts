/** @file What can go wrong, as types. Every code has an entry in docs/errors.md. */

export type ErrorCode =
  | 'shape'
  | 'dtype'
  | 'value'
  | 'data'
  | 'stale-parameter'
  | 'tracing'
  | 'engine'
  | 'missing-engine'
  | 'protocol'
  | 'cancelled'
  | 'unsupported'
  | 'mixed-samples'
  | 'not-a-loss'
  | 'missing-key'
  | 'no-solution'

/** Base of every error this library throws on purpose; `code` finds its explanation in docs/errors.md. */
export class BeyondgradError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BeyondgradError'
    this.code = code
  }
}

/** Shapes do not fit. Thrown where the graph is built, so that the stack shows the caller's line. */
export class ShapeError extends BeyondgradError {
  constructor(op: string, detail: string) {
    super('shape', `${op}: ${detail}`)
    this.name = 'ShapeError'
  }
}

/** An operand has an element type that the op does not take. */
export class DTypeError extends BeyondgradError {
  constructor(op: string, detail: string) {
    super('dtype', `${op}: ${detail}`)
    this.name = 'DTypeError'
  }
}

/** An expression was built from a parameter that has been updated since. */
export class StaleParameterError extends BeyondgradError {
  constructor(parameter: string) {
    super(
      'stale-parameter',
      `parameter "${parameter}" was updated after this expression was built: rebuild the expression, or use compile(), which reads live parameters`,
    )
    this.name = 'StaleParameterError'
  }
}

/** Data that went into a run is unusable: a NaN, a label out of range. */
export class DataError extends BeyondgradError {
  constructor(message: string) {
    super('data', message)
    this.name = 'DataError'
  }
}

/** What is thrown when a signal was triggered. */
export function cancelled(message = 'the evaluation was cancelled'): BeyondgradError {
  return new BeyondgradError('cancelled', message)
}
