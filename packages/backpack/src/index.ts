/** @file BackPACK's quantities as extensions of the backward pass. */
export * from './curvature-diagonal.ts'
export * from './first-order.ts'
export { quantities, type QuantityName } from './vocabulary.ts'
