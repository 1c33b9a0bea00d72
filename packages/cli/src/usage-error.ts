/** @file Wrong usage of the command line: exit status 2. */

export class UsageError extends Error {
  readonly usage = true
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}
