/** @file ONNX models as functions of tensors with named, trainable parameters. */
export type { ProbabilityHead } from './probability-heads.ts'
export {
  type ConformanceCase,
  type ConformanceOptions,
  type ConformanceResult,
  runConformanceCase,
} from './conformance.ts'
export { extendOnnx, type ExtendOptions } from './extend.ts'
export type { Dimension, Graph, Node, ValueInfo } from './graph.ts'
export { type ImportProblem, OnnxImportError } from './import-error.ts'
export { importOnnx, type ImportOptions } from './import-onnx.ts'
export { onnxNodeOf } from './interpret.ts'
export type { ModelSource } from './files.ts'
export type { ModelArguments } from './arguments.ts'
export type { ImportedModel, ModelOutput } from './model.ts'
export type { Attribute, NodeAttributes } from './node-attributes.ts'
export type { OnnxOperator, OperatorCall, OperatorResult, OperatorVersion } from './operator.ts'
export { knownOperators } from './operators/index.ts'
export type { TensorInfo, TensorRole, TensorUse } from './roles.ts'
