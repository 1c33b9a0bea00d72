/** @file From the bytes of an ONNX file to its message; nothing in it is checked yet beyond the encoding. */

import { fromBinary } from '@bufbuild/protobuf'
import { DataError } from '@beyondgrad/tensor'
import { ModelProtoSchema, type ModelProto } from './proto/onnx_pb.ts'

/** Raw data in the result are views into `bytes`, at any offset: copy before making a wider array of one. */
export function parseModel(bytes: Uint8Array, file = 'the file'): ModelProto {
  let model: ModelProto
  try {
    model = fromBinary(ModelProtoSchema, bytes)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataError(
      `parseModel: ${file} (${bytes.length} bytes) is no ONNX model (${reason}): check that it is complete`,
    )
  }
  // Much that is no model still decodes, as unknown fields.
  if (model.graph === undefined) {
    throw new DataError(
      `parseModel: ${file} (${bytes.length} bytes) has no graph: check that it is an ONNX model and complete`,
    )
  }
  return model
}
