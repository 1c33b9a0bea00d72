/** @file From the bytes of an ONNX file to its message, and back; nothing in it is checked yet beyond the encoding. */

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { DataError } from '@beyondgrad/tensor'
import { ModelProtoSchema, type ModelProto } from './proto/onnx_pb.ts'

/** Raw data in the result are views into `bytes`, at any offset: copy before making a wider array of one. */
export function parseModel(bytes: Uint8Array, file = 'the file'): ModelProto {
  const size = `${file} (${bytes.length} bytes)`
  const other = otherFormat(bytes)
  if (other !== undefined) throw new DataError(`parseModel: ${size} is no ONNX model but ${other}`)
  let model: ModelProto
  try {
    model = fromBinary(ModelProtoSchema, bytes)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataError(`parseModel: ${size} is no ONNX model (${reason}): check that it is complete`)
  }
  // Much that is no model still decodes, as unknown fields.
  if (model.graph === undefined) {
    throw new DataError(`parseModel: ${size} has no graph: check that it is an ONNX model and complete`)
  }
  return model
}

/** The bytes of a message, as `parseModel` reads them. */
export function formatModel(model: ModelProto): Uint8Array {
  return toBinary(ModelProtoSchema, model)
}

/** What files that people take for models start with, from which byte on, and what to do about it. */
const formats: readonly (readonly [start: string, at: number, what: string])[] = [
  ['version https://git-lfs', 0, 'a Git LFS pointer to one: fetch the file itself with git lfs pull'],
  ['<!doctype html', 0, 'an HTML page: the download led to a page, not to the file'],
  ['<html', 0, 'an HTML page: the download led to a page, not to the file'],
  ['pk\x03\x04', 0, 'a ZIP archive: unpack it first'],
  ['\x1f\x8b', 0, 'a gzip file: unpack it first'],
  ['ortm', 4, 'a model in the format of ONNX Runtime (.ort): take the .onnx file that it was made from'],
  ['tfl3', 4, 'a TensorFlow Lite model: convert it with tf2onnx first'],
]

function otherFormat(bytes: Uint8Array): string | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 64)).toLowerCase()
  return formats.find(([start, at]) => head.startsWith(start, at))?.[2]
}
