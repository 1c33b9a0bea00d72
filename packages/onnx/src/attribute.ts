/** @file Attributes of a node, from plain values. */

import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DataError, type DType } from '@beyondgrad/tensor'
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type AttributeProto,
  type GraphProto,
  type TensorProto,
} from './proto/onnx_pb.ts'
import { rawData, tensorProto, toInteger, type TensorData } from './tensor-proto.ts'

/** A tensor inside an attribute; an `NDArray` is one. */
export interface TensorAttribute {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: TensorData
}

/**
 * A bare number is an integer, since most attributes are; floats say so (JavaScript cannot tell 1 from 1.0, ONNX must).
 * An empty bare list is a list of integers. An attribute that is `undefined` is left out.
 */
export type NodeAttribute =
  | number
  | bigint
  | string
  | readonly (number | bigint)[]
  | readonly string[]
  | { readonly f: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly tensor: TensorAttribute }
  | { readonly tensors: readonly TensorAttribute[] }
  | { readonly graph: GraphProto }
  | { readonly graphs: readonly GraphProto[] }

export type NodeAttributes = Readonly<Record<string, NodeAttribute | undefined>>

export function attributeProtos(where: string, attributes: NodeAttributes): AttributeProto[] {
  const protos: AttributeProto[] = []
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue
    protos.push(create(AttributeProtoSchema, { name, ...content(`${where}, attribute ${name}`, value) }))
  }
  return protos
}

type Content = Exclude<MessageInitShape<typeof AttributeProtoSchema>, AttributeProto>

function content(where: string, value: NodeAttribute): Content {
  if (typeof value === 'number' || typeof value === 'bigint') {
    return { type: Kind.INT, i: int64(where, value) }
  }
  if (typeof value === 'string') return { type: Kind.STRING, s: utf8(value) }
  if (isList(value)) {
    return value.length > 0 && value.every((entry) => typeof entry === 'string')
      ? { type: Kind.STRINGS, strings: value.map(utf8) }
      : { type: Kind.INTS, ints: value.map((entry) => int64(where, entry)) }
  }
  if ('f' in value) return { type: Kind.FLOAT, f: value.f }
  if ('floats' in value) return { type: Kind.FLOATS, floats: [...value.floats] }
  if ('strings' in value) return { type: Kind.STRINGS, strings: value.strings.map(utf8) }
  if ('tensor' in value) return { type: Kind.TENSOR, t: tensor(where, value.tensor) }
  if ('tensors' in value) {
    return { type: Kind.TENSORS, tensors: value.tensors.map((each) => tensor(where, each)) }
  }
  if ('graph' in value) return { type: Kind.GRAPH, g: value.graph }
  return { type: Kind.GRAPHS, graphs: [...value.graphs] }
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: NodeAttribute): value is readonly (number | bigint)[] | readonly string[] {
  return Array.isArray(value)
}

function int64(where: string, value: number | bigint | string): bigint {
  if (typeof value === 'number' && !Number.isInteger(value)) {
    throw new DataError(`${where}: ${value} is no integer: write { f: ${value} } for a float`)
  }
  if (typeof value === 'string') {
    throw new DataError(`${where}: the list mixes numbers with the string "${value}": give one kind`)
  }
  return toInteger(where, value)
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

function tensor(where: string, { dtype, shape, data }: TensorAttribute): TensorProto {
  return tensorProto('', dtype, shape, rawData(where, dtype, shape, data))
}
