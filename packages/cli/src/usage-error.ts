/** @file Wrong usage of the command line. */

/** Ends the command with exit status 2 instead of 1. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UsageError'
  }
}
