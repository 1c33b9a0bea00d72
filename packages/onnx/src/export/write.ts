/** @file The file itself: operators, parameters, and metadata that say what is in it. */
import { create, toBinary } from '@bufbuild/protobuf'
import { BeyondgradError } from '@beyondgrad/tensor'
import type { ExportedValue, ExportInputs, ExportOptions } from './options.ts'
import { valueInfo } from '../model-builder.ts'
import { opset } from '../lower/to-onnx.ts'
import {
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type ValueInfoProto,
} from '../proto/onnx_pb.ts'
import { rawData, tensorProto } from '../tensor-proto.ts'
import type { Freed } from './free.ts'

/** Protocol buffers end here. */
const byteLimit = 2 ** 31

export interface Contents extends Freed {
  readonly inputs: readonly ExportedValue[]
  readonly outputs: readonly ExportedValue[]
  readonly options: ExportOptions<ExportInputs>
}

/** @throws BeyondgradError `unsupported` if the parameters alone are more than a file can hold */
export function writeFile(contents: Contents): Uint8Array<ArrayBuffer> {
  const { trace, unified, constants, sizeNodes, inputs, outputs, options } = contents
  const bytes = trace.cells.reduce((sum, { cell }) => sum + cell.data.byteLength, 0)
  if (bytes >= byteLimit) {
    throw new BeyondgradError(
      'unsupported',
      `exportOnnx: ${bytes} bytes of parameters are more than one ONNX file can hold (2 GiB); export parts of the model`,
    )
  }
  const parameters = trace.cells.map(({ name, cell: { dtype, shape, data } }) =>
    tensorProto(name, dtype, shape, rawData(name, dtype, shape, data)),
  )
  const graph = create(GraphProtoSchema, {
    name: options.name ?? 'graph',
    node: [...sizeNodes.nodes, ...unified.nodes],
    initializer: [...parameters, ...constants.protos],
    input: inputs.map((value) => described(value, 'input', sourceOf(contents, value.name))),
    output: outputs.map((value) => described(value, 'output', descriptionOf(options.outputs, value.name))),
  })
  const metadata = Object.entries({ ...metadataOf(contents), ...options.metadata })
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) })],
    producerName: 'beyondgrad',
    docString: docString(contents),
    graph,
    metadataProps: metadata.map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  })
  return toBinary(ModelProtoSchema, model)
}

function described(value: ExportedValue, what: string, text: string | undefined): ValueInfoProto {
  const info = valueInfo(what, value.name, value.dtype, value.shape)
  return text === undefined ? info : { ...info, docString: text }
}

function docString({ inputs, outputs, options }: Contents): string {
  const list = (values: readonly ExportedValue[]): string =>
    values.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ')
  const what = options.description === undefined ? '' : `${options.description}\n\n`
  return `${what}Exported by Beyondgrad. From ${list(inputs) || 'nothing'} it computes ${list(outputs)}.`
}

/** Everything that a reader may want to know, as JSON under keys of ours. */
function metadataOf(contents: Contents): Record<string, string> {
  const { trace, axes, inputs, outputs, notes, options } = contents
  const withText = (values: readonly ExportedValue[], text: (name: string) => string | undefined): unknown =>
    values.map(({ name, dtype, shape }) => ({ name, dtype, shape, description: text(name) }))
  return {
    'beyondgrad.producer': '@beyondgrad/onnx',
    'beyondgrad.inputs': JSON.stringify(withText(inputs, (name) => sourceOf(contents, name))),
    'beyondgrad.outputs': JSON.stringify(withText(outputs, (name) => descriptionOf(options.outputs, name))),
    'beyondgrad.parameters': JSON.stringify(trace.cells.map(({ name }) => name)),
    'beyondgrad.free-axes': JSON.stringify(axes.map(({ name }) => name)),
    ...(notes.length === 0 ? {} : { 'beyondgrad.notes': JSON.stringify(notes) }),
  }
}

/** What to fill an input with, if it is for random numbers. */
function sourceOf({ trace }: Contents, name: string): string | undefined {
  const random = trace.random.find((each) => each.name === name)
  if (random === undefined) return undefined
  const { distribution, seed, stream } = random.source
  const numbers = distribution === 'uniform' ? 'uniform in (0, 1)' : 'standard normal'
  return `random numbers, ${numbers}, [draws, samples, ...]; new ones for every run (here: seed ${seed}, stream "${stream}")`
}

/** The description of the name, or else of the longest part before a dot that has one. */
function descriptionOf(
  descriptions: Readonly<Record<string, string>> | undefined,
  name: string,
): string | undefined {
  if (descriptions === undefined) return undefined
  for (let part = name; ; part = part.slice(0, part.lastIndexOf('.'))) {
    if (Object.hasOwn(descriptions, part)) return descriptions[part]
    if (!part.includes('.')) return undefined
  }
}
