/** @file The engine that computes: the one that was asked for, or the fastest that is installed. */
import { type Engine, referenceEngine } from '@beyondgrad/tensor'
import type { Terminal } from './terminal.ts'

export type EngineName = 'auto' | 'onnxruntime' | 'tfjs' | 'reference'

export interface ChosenEngine {
  readonly name: Exclude<EngineName, 'auto'>
  readonly engine: Engine
}

/** An engine by its name; `auto` takes ONNX Runtime, else TensorFlow.js, else the reference engine. */
export async function chooseEngine(name: EngineName, terminal: Terminal): Promise<ChosenEngine> {
  const chosen = name === 'auto' ? await fastest(terminal) : name
  return { name: chosen, engine: await engineNamed(chosen) }
}

async function fastest(terminal: Terminal): Promise<ChosenEngine['name']> {
  if (await loads(() => import('onnxruntime-node'))) return 'onnxruntime'
  const isThere = (await loads(() => import('@tensorflow/tfjs-core'))) && (await loadBackend())
  const name = isThere ? 'tfjs' : 'reference'
  terminal.complain(
    `onnxruntime-node does not load, so the ${name} engine computes, which is slower: npm i onnxruntime-node`,
  )
  return name
}

async function engineNamed(name: ChosenEngine['name']): Promise<Engine> {
  switch (name) {
    case 'onnxruntime':
      return (await import('@beyondgrad/engine-onnxruntime')).onnxruntime()
    case 'tfjs':
      await loadBackend()
      return (await import('@beyondgrad/engine-tfjs')).tfjs()
    case 'reference':
      // Who asks for it knows that it is slow.
      return referenceEngine({ warn: () => undefined })
  }
}

/** A backend of TensorFlow.js registers itself when it is loaded. */
async function loadBackend(): Promise<boolean> {
  return (
    (await loads(() => import('@tensorflow/tfjs-backend-wasm'))) ||
    (await loads(() => import('@tensorflow/tfjs-backend-cpu')))
  )
}

async function loads(load: () => Promise<unknown>): Promise<boolean> {
  try {
    await load()
    return true
  } catch {
    return false
  }
}
