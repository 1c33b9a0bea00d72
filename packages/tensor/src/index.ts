/** @file Lazy tensors: build expressions, then `evaluate` or `compile` them on an engine. */
export { after } from './after.ts'
export * from './capture.ts'
export * from './composite.ts'
export * from './compile.ts'
export * from './compositions/activations.ts'
export * from './compositions/aggregates.ts'
export * from './compositions/arrange.ts'
export * from './compositions/conv-transpose.ts'
export * from './compositions/einsum.ts'
export * from './compositions/padding.ts'
export * from './compositions/pooling.ts'
export * from './compositions/resize.ts'
export * from './compositions/softmax.ts'
export { type DataOf, type DType, dtypeOf, type HostArray, isFloat, type NDArray } from './dtype.ts'
export {
  currentEngine,
  type Engine,
  type Executable,
  type Graph,
  type RunOptions,
  setEngine,
} from './engine.ts'
export * from './errors.ts'
export { liveBytes, workOf } from './cost.ts'
export { evaluate, type EvaluateOptions, hold } from './evaluate.ts'
export { releaseExecutables } from './executor.ts'
export { dependents, rewrite, substitute, topologicalOrder } from './graph.ts'
export * from './leaf.ts'
export * from './named-map.ts'
export { type AnyTensor, build, isTensor, protocol, type Tensor, withInputs } from './node.ts'
export type {
  Alternative,
  Attributes,
  AttributeValue,
  Dense,
  Op,
  OpFamily,
  ReferenceKernel,
  Request,
  Signature,
} from './op.ts'
export { checkpoint } from './ops/checkpoint.ts'
export { inTurn } from './ops/turn.ts'
export * from './ops/contract.ts'
export * from './ops/convolution.ts'
export {
  abs,
  add,
  cast,
  div,
  equal,
  exp,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sign,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './ops/elementwise.ts'
export { flip } from './ops/flip.ts'
export { gather, gatherAt, gatherElements, gatherElementsAt, gatherND } from './ops/gather.ts'
export { type Check, checkOf, guard } from './ops/guard.ts'
export {
  concat,
  expand,
  eye,
  full,
  iota,
  ones,
  pad,
  reshape,
  slice,
  stack,
  transpose,
  transposeLast,
  unsqueeze,
  zeros,
} from './ops/movement.ts'
export {
  greaterEqual,
  isFinite,
  isInfinite,
  isNaN,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  notEqual,
} from './ops/logical.ts'
export type { Operand } from './ops/pointwise.ts'
export * from './ops/pool.ts'
export type { Indices } from './ops/positions.ts'
export { argmax, max, mean, min, sum, sumTo } from './ops/reduce.ts'
export { scatterAdd, scatterAddAt, scatterElementsAdd, scatterElementsAddAt } from './ops/scatter.ts'
export * from './ops/scatter-reduce.ts'
export * from './ops/sort.ts'
export * from './ops/remainder.ts'
export * from './ops/scan.ts'
export * from './ops/transcendental.ts'
export * from './ops/window.ts'
export { type Distribution, fillRandom, type RandomSource } from './random.ts'
export { referenceEngine } from './reference.ts'
export * from './shape.ts'
export { type Evaluated } from './structure.ts'
export { isTracing } from './tracing.ts'
export { type Updates, updates } from './updates.ts'
export { lift, vmap } from './vmap.ts'
