/** @file ONNX Runtime in Node. Nothing is loaded before it is asked for: the package is an optional peer. */
import { BeyondgradError } from '@beyondgrad/tensor'
import type * as OrtNode from 'onnxruntime-node'
import { createSession, type Ort, unwrapped } from './ort.ts'
import { type Runtime, threadsFor } from './runtime.ts'

type Module = typeof OrtNode

/** Loads `onnxruntime-node`; another loader may stand in for it. */
export async function nodeRuntime(
  load: () => Promise<Module> = () => import('onnxruntime-node'),
): Promise<Runtime> {
  let loaded: Module
  try {
    loaded = unwrapped(await load())
  } catch (error) {
    throw missing(error)
  }
  const ort: Ort = loaded
  return {
    threads: await threadsHere(),
    executionProviders: ['cpu'],
    createSession: (bytes, options) => createSession(ort, bytes, options),
  }
}

export async function threadsHere(): Promise<number> {
  const { availableParallelism } = await import('node:os')
  return threadsFor(availableParallelism())
}

export function missing(error: unknown): BeyondgradError {
  const message = error instanceof Error ? error.message : String(error)
  // A package that is there but has no binary for this platform misses a file of its own instead.
  const absent = /cannot find (module|package) 'onnxruntime-node'/i.test(message)
  const [line] = message.split('\n')
  return new BeyondgradError(
    'missing-engine',
    absent
      ? 'onnxruntime-node is not installed: npm i onnxruntime-node'
      : `onnxruntime-node does not load on ${platform()} (${line}): reinstall it with npm i onnxruntime-node, or, since it has no binary for musl or Intel Macs, npm i onnxruntime-web and use onnxruntime({ runtime: 'web' })`,
    { cause: error },
  )
}

function platform(): string {
  const { process } = globalThis as { process?: { platform?: string; arch?: string } }
  return `${process?.platform ?? 'this platform'} ${process?.arch ?? ''}`.trim()
}
