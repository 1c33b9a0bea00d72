/**
 * @file Damage to files, by seed: bits and bytes, truncation, chunks moved about, and what only those do who know the encoding: lengths
 * that lie, messages nested without end, and models that are whole but say something else.
 */
import { formatModel, type GraphProto, type ModelProto, type NodeProto, parseModel } from '@beyondgrad/onnx'
import { knownOperators } from '../src/index.ts'

/** Random numbers by seed. */
class Dice {
  private state: number
  constructor(seed: number) {
    this.state = (seed * 0x9e3779b1) >>> 0
  }
  /** A whole number below a bound. */
  below(bound: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound)
  }
  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!
  }
}

type Mutation = (bytes: Uint8Array, dice: Dice, other: Uint8Array) => Uint8Array

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const result = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    result.set(part, at)
    at += part.length
  }
  return result
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return [...bytes, value]
}

/** Where lengths of fields are, in messages inside of messages as far as that can be told. */
function lengths(bytes: Uint8Array, dice: Dice): { at: number; size: number; width: number } | undefined {
  let [from, to] = [0, bytes.length]
  let found: { at: number; size: number; width: number } | undefined
  for (let depth = 0; depth < 6; depth++) {
    const fields: { at: number; size: number; width: number }[] = []
    for (let at = from; at < to && fields.length < 2000;) {
      const [tag, tagWidth] = readVarint(bytes, at)
      at += tagWidth
      const kind = tag & 7
      if (kind === 0) at += readVarint(bytes, at)[1]
      else if (kind === 1) at += 8
      else if (kind === 5) at += 4
      else if (kind === 2) {
        const [size, width] = readVarint(bytes, at)
        fields.push({ at, size, width })
        at += width + size
      } else break
    }
    if (fields.length === 0) break
    found = dice.one(fields)
    if (dice.below(3) === 0) break
    from = found.at + found.width
    to = Math.min(to, from + found.size)
  }
  return found
}

function readVarint(bytes: Uint8Array, at: number): [value: number, width: number] {
  let value = 0
  for (let width = 0; width < 10; width++) {
    const byte = bytes[at + width] ?? 0
    value += (byte & 127) * 128 ** width
    if (byte < 128) return [value, width + 1]
  }
  return [value, 10]
}

const message = (field: number, content: Uint8Array): Uint8Array =>
  joined(Uint8Array.from([...varint(field * 8 + 2), ...varint(content.length)]), content)

/** Numbers that sizes, axes and counts are not expected to be. */
const oddNumbers = [0, 1, 127, 128, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53]

const damages: Readonly<Record<string, Mutation>> = {
  bits(bytes, dice) {
    const result = bytes.slice()
    for (let i = dice.below(16); i >= 0; i--) result[dice.below(result.length)]! ^= 1 << dice.below(8)
    return result
  },
  // Most of a file may be weights: what is in front is structure.
  'bits in front'(bytes, dice) {
    const result = bytes.slice()
    for (let i = dice.below(4); i >= 0; i--)
      result[dice.below(Math.min(400, result.length))]! ^= 1 << dice.below(8)
    return result
  },
  bytes(bytes, dice) {
    const result = bytes.slice()
    for (let i = dice.below(8); i >= 0; i--) result[dice.below(result.length)] = dice.below(256)
    return result
  },
  truncated: (bytes, dice) => bytes.slice(0, dice.below(bytes.length)),
  'chunk twice'(bytes, dice) {
    const at = dice.below(bytes.length)
    const chunk = bytes.subarray(at, at + dice.below(Math.min(2000, bytes.length)))
    const to = dice.below(bytes.length)
    return joined(bytes.subarray(0, to), chunk, bytes.subarray(to))
  },
  'chunk gone'(bytes, dice) {
    const at = dice.below(bytes.length)
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + dice.below(64)))
  },
  'field twice'(bytes, dice) {
    const field = lengths(bytes, dice)
    if (field === undefined) return bytes.slice(1)
    const end = field.at + field.width + field.size
    return joined(bytes.subarray(0, end), bytes.subarray(field.at - 1, end), bytes.subarray(end))
  },
  'foreign chunk'(bytes, dice, other) {
    const at = dice.below(other.length)
    const to = dice.below(bytes.length)
    return joined(bytes.subarray(0, to), other.subarray(at, at + dice.below(500)), bytes.subarray(to))
  },
  'length that lies'(bytes, dice) {
    const field = lengths(bytes, dice)
    if (field === undefined) return bytes.slice(0, 1)
    const claimed = dice.one([...oddNumbers, field.size + 1, Math.max(0, field.size - 1), field.size * 2])
    return joined(
      bytes.subarray(0, field.at),
      Uint8Array.from(varint(claimed)),
      bytes.subarray(field.at + field.width),
    )
  },
  'odd number'(bytes, dice) {
    const at = dice.below(bytes.length)
    return joined(
      bytes.subarray(0, at),
      Uint8Array.from(varint(dice.one(oddNumbers))),
      bytes.subarray(at + 1),
    )
  },
  // graph → node → attribute → graph → …
  'nested graphs'(bytes, dice) {
    let inner: Uint8Array = new Uint8Array()
    for (let depth = 1 + dice.below(200); depth > 0; depth--) {
      const attribute = joined(message(6, inner), Uint8Array.of(0xa0, 1, 5))
      inner = message(1, joined(Uint8Array.of(0x22, 2, 0x49, 0x66), message(5, attribute)))
    }
    return joined(bytes, message(7, inner))
  },
}

/** Changes a model that stays one: its encoding is right, what it says is not. */
const altered =
  (change: (model: ModelProto, graph: GraphProto, node: NodeProto, dice: Dice) => void): Mutation =>
  (bytes, dice) => {
    let model: ModelProto
    try {
      model = parseModel(bytes)
    } catch {
      // Some of the files are no models to begin with.
      return bytes.slice(0, dice.below(bytes.length))
    }
    const graph = model.graph!
    if (graph.node.length === 0) return bytes
    for (let i = dice.below(3); i >= 0; i--) change(model, graph, dice.one(graph.node), dice)
    return formatModel(model)
  }

const signed = (dice: Dice): bigint =>
  BigInt(dice.one([...oddNumbers, 2, 3, 4, 7])) * (dice.below(3) === 0 ? -1n : 1n)
const at = <T>(list: T[], dice: Dice, value: T): void => {
  if (list.length > 0) list[dice.below(list.length)] = value
}

const alterations: Readonly<Record<string, Mutation>> = {
  'other attribute': altered((_, __, node, dice) => {
    if (node.attribute.length === 0) return
    const attribute = dice.one(node.attribute)
    switch (dice.below(6)) {
      case 0:
        attribute.i = signed(dice)
        return
      case 1:
        attribute.f = dice.one([NaN, Infinity, -1, 0, 1e30, 1e-30])
        return
      case 2:
        attribute.type = dice.below(15)
        return
      case 3:
        attribute.ints = [...attribute.ints, signed(dice)]
        return
      case 4:
        node.attribute = node.attribute.filter((each) => each !== attribute)
        return
      default:
        at(attribute.ints, dice, signed(dice))
    }
  }),
  'other wires': altered((_, graph, node, dice) => {
    const { input, output } = dice.one(graph.node)
    const names = [...input, ...output, '', ...graph.initializer.slice(0, 20).map(({ name }) => name)]
    switch (dice.below(5)) {
      case 0:
        at(node.output, dice, dice.one(names))
        return
      case 1:
        node.input = [...node.input, dice.one(names)]
        return
      default:
        at(node.input, dice, dice.one(names))
    }
  }),
  'other operator': altered((model, graph, node, dice) => {
    if (dice.below(3) === 0 && model.opsetImport.length > 0)
      dice.one(model.opsetImport).version = BigInt(dice.one([0, 1, 6, 7, 9, 11, 12, 13, 18, 23, 2 ** 31]))
    else node.opType = dice.below(2) === 0 ? dice.one(graph.node).opType : dice.one(operators)
  }),
  'other tensor': altered((_, graph, node, dice) => {
    const inside = node.attribute.flatMap(({ t }) => t ?? [])
    const tensors = [...graph.initializer, ...inside]
    if (tensors.length === 0) return
    const tensor = dice.one(tensors)
    const bytes = tensor.rawData.slice()
    switch (dice.below(4)) {
      case 0:
        tensor.dataType = dice.below(24)
        return
      case 1:
        at(tensor.dims, dice, signed(dice))
        return
      case 2:
        tensor.dims = tensor.dims.toReversed()
        return
      default:
        // Shapes, axes and indices are in tensors, too.
        for (let i = dice.below(4); i >= 0 && bytes.length > 0; i--)
          bytes[dice.below(bytes.length)] = dice.one([0, 1, 127, 255])
        tensor.rawData = bytes
    }
  }),
}

const operators = knownOperators()

const mutations = { ...damages, ...alterations }
// Few damaged files decode: half of all are whole.
const whole = Object.keys(alterations)
const chosen = [...Object.keys(damages), ...whole, ...whole, ...whole]

export const mutationNames: readonly string[] = Object.keys(mutations)

/** One damaged file of many: which file, what damage and where depend on the seed alone. */
export function mutated(
  files: readonly Uint8Array[],
  seed: number,
): { readonly file: number; readonly kind: string; readonly bytes: Uint8Array } {
  const dice = new Dice(seed)
  const file = dice.below(files.length)
  const kind = dice.one(chosen)
  let bytes = mutations[kind]!(files[file]!, dice, dice.one(files))
  // Now and then there is more than one damage.
  if (dice.below(4) === 0 && bytes.length > 0)
    bytes = mutations[dice.one(chosen)]!(bytes, dice, dice.one(files))
  return { file, kind, bytes }
}
