export type { NodeAttribute, NodeAttributes, TensorAttribute } from './attribute.ts'
export {
  exportOnnx,
  type ExportArguments,
  type ExportedFile,
  type ExportedValue,
  type ExportInput,
  type ExportInputs,
  type ExportOptions,
} from './export.ts'
export {
  modelBuilder,
  type ModelBuilder,
  type ModelOptions,
  type ModelShape,
  type NodeOptions,
  type NodeOutputs,
} from './model-builder.ts'
export { formatModel, parseModel } from './read-model.ts'
export {
  dtypeOfElements,
  elementTypeName,
  externalLocation,
  type ExternalFiles,
  parseTensor,
  readSparseTensor,
  readTensor,
  type ReadTensorOptions,
  type StoredTensor,
} from './read-tensor.ts'
export type { TensorData } from './tensor-proto.ts'
export type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  SparseTensorProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from './proto/onnx_pb.ts'
export { protoOfTensor, writeTensor } from './write-tensor.ts'
export { toOnnx, type OnnxFile, type ToOnnxOptions } from './lower/to-onnx.ts'
