/** @file Where a model comes from: bytes, a path, or an address; and the files beside it that its tensors are in. */
import {
  externalLocation,
  type ExternalFiles,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from '@beyondgrad/onnx'
import { cancelled, DataError } from '@beyondgrad/tensor'
import { reasonOf } from './import-error.ts'

/** A model: its bytes, an address (`file:`, `http:` or `https:`), or a path on disk, where there is a disk. */
export type ModelSource = Uint8Array | URL | { readonly path: string }

export interface LoadedFile {
  /** What the file is called in messages. */
  readonly name: string
  readonly bytes: Uint8Array
  /** Another file in its folder. */
  readonly beside: (location: string) => Promise<Uint8Array>
}

/** What is used of Node's modules. */
interface NodeModules {
  readonly 'node:fs/promises': {
    readonly readFile: (path: string, options: { signal: AbortSignal | undefined }) => Promise<Uint8Array>
    readonly realpath: (path: string) => Promise<string>
  }
  readonly 'node:path': {
    readonly dirname: (path: string) => string
    readonly join: (...parts: string[]) => string
    readonly relative: (from: string, to: string) => string
    readonly isAbsolute: (path: string) => boolean
  }
  readonly 'node:url': { readonly fileURLToPath: (url: URL) => string }
}

/** A module of Node's. Not an import: bundlers for browsers would stumble over it, though nobody calls this there. */
function nodeModule<K extends keyof NodeModules>(name: K): NodeModules[K] {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }
  const found = process?.getBuiltinModule?.(name)
  if (found === undefined) {
    throw new DataError(
      'importOnnx: there is no disk here: give the bytes of the model, or an address to fetch it from',
    )
  }
  return found as NodeModules[K]
}

export async function load(source: ModelSource, signal: AbortSignal | undefined): Promise<LoadedFile> {
  if (source instanceof Uint8Array) {
    const beside = (location: string): Promise<never> =>
      Promise.reject(
        new DataError(
          `tensors of the model are in the file "${location}", which a model given as bytes can't reach: import it by its path or address`,
        ),
      )
    return { name: 'the model', bytes: source, beside }
  }
  if (source instanceof URL && source.protocol !== 'file:') {
    const beside = (location: string): Promise<Uint8Array> => fetched(new URL(location, source), signal)
    return { name: source.href, bytes: await fetched(source, signal), beside }
  }
  const path = source instanceof URL ? nodeModule('node:url').fileURLToPath(source) : source.path
  const bytes = await readFile(path, signal)
  return { name: path, bytes, beside: (location) => readBeside(path, location, signal) }
}

async function readFile(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    return await nodeModule('node:fs/promises').readFile(path, { signal })
  } catch (error) {
    if (signal?.aborted) throw cancelled('the import was cancelled')
    throw new DataError(`importOnnx: ${path} can't be read (${reasonOf(error)}): check the path`)
  }
}

/** A file in the folder of another; links that lead out of it are not followed. */
async function readBeside(
  path: string,
  location: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { realpath } = nodeModule('node:fs/promises')
  const { dirname, join, relative, isAbsolute } = nodeModule('node:path')
  const file = join(dirname(path), location)
  let inside: string
  try {
    inside = relative(await realpath(dirname(path)), await realpath(file))
  } catch (error) {
    throw new DataError(
      `the file "${location}", which tensors of the model are in, can't be read (${reasonOf(error)}): put it beside the model`,
    )
  }
  if (inside.startsWith('..') || isAbsolute(inside)) {
    throw new DataError(
      `the file "${location}" is a link that leads out of the model's folder: data are only read from there`,
    )
  }
  return readFile(file, signal)
}

async function fetched(url: URL, signal: AbortSignal | undefined): Promise<Uint8Array> {
  let response: Response
  try {
    response = await fetch(url, signal ? { signal } : {})
  } catch (error) {
    if (signal?.aborted) throw cancelled('the import was cancelled')
    throw new DataError(`importOnnx: ${url.href} can't be fetched (${reasonOf(error)}): check the address`)
  }
  if (!response.ok)
    throw new DataError(`importOnnx: ${url.href} can't be fetched: the server answers ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

/** All files that tensors of a model are in, read. Locations that lead out of the folder are errors before anything is read. */
export async function externalFiles(
  model: ModelProto,
  beside: LoadedFile['beside'],
  report: (error: unknown, tensor: string) => void,
): Promise<ExternalFiles> {
  const files = new Map<string, Uint8Array | undefined>()
  for (const proto of tensorsOf(model)) {
    try {
      const location = externalLocation(proto)
      if (location === undefined || files.has(location)) continue
      files.set(location, undefined)
      files.set(location, await beside(location))
    } catch (error) {
      report(error, proto.name)
    }
  }
  return (location) => files.get(location)
}

/** Every tensor in a model, in bodies and functions, too. */
function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== undefined) yield* tensorsOfGraph(model.graph)
  for (const each of model.functions) yield* tensorsOfNodes(each.node)
}

function* tensorsOfGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer
  yield* tensorsOfNodes(graph.node)
}

function* tensorsOfNodes(nodes: GraphProto['node']): Generator<TensorProto> {
  for (const { attribute } of nodes) {
    for (const { t, g, tensors, graphs } of attribute) {
      if (t !== undefined) yield t
      yield* tensors
      if (g !== undefined) yield* tensorsOfGraph(g)
      for (const graph of graphs) yield* tensorsOfGraph(graph)
    }
  }
}
