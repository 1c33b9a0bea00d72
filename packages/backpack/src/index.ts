/** @file BackPACK's quantities as extensions of the backward pass. */
export * from './curvature-diagonal.ts'
export * from './first-order.ts'
export * from './kronecker.ts'
export type { MonteCarloOptions } from './monte-carlo.ts'
export * from './square-root.ts'
export { quantities, type QuantityName } from './vocabulary.ts'
