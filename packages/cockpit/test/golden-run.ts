/** @file Cockpit's reference runs: the network, the batches, and a training that a cockpit watches. */
import { crossEntropy, type Loss, mseLoss } from '@beyondgrad/autograd'
import { importOnnx } from '@beyondgrad/onnx-import'
import { type Momentum, runSteps } from './train.ts'
import { type AnyTensor, type Engine, intTensor, tensor } from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { CockpitOptions, TrackedStep } from '../src/index.ts'

export interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

export type Row = Readonly<Record<string, unknown>>

export interface Variant {
  readonly optimizer: { readonly lr: number; readonly momentum: number }
  readonly output: Readonly<Record<string, Row>>
}

export interface Golden {
  readonly loss: { readonly type: string }
  readonly optimizer: { readonly lr: number }
  readonly param_names: readonly string[]
  readonly initial_params: readonly Values[]
  readonly batches: readonly { readonly inputs: Values; readonly targets: Values }[]
  readonly steps: readonly {
    readonly quantities: Row
    readonly exact: Readonly<Record<'hess_max_abs_eigenvalue', number>>
  }[]
  readonly variants?: Readonly<Record<string, Variant>>
}

const root = fileURLToPath(new URL('../../../fixtures/goldens-cockpit/', import.meta.url))

export const goldenNames: readonly string[] = readdirSync(root)

export const goldenOf = (name: string): Golden =>
  JSON.parse(readFileSync(`${root}${name}/golden.json`, 'utf8')) as Golden

/** Trains as the reference did, and hands back what was logged, by steps. */
export async function goldenRun(
  name: string,
  engine: Engine,
  cockpit: CockpitOptions,
  optimizer: Momentum = { momentum: 0 },
): Promise<Map<number, TrackedStep>> {
  const golden = goldenOf(name)
  const model = await importOnnx(new Uint8Array(readFileSync(`${root}${name}/model.onnx`)))
  golden.param_names.forEach((parameter, i) => {
    // The reference is of double precision, and so is the reference engine.
    const data = Float64Array.from(golden.initial_params[i]!.data) as unknown as Float32Array<ArrayBuffer>
    model.parameters.get(parameter).set(data)
  })
  const isClasses = golden.loss.type === 'CrossEntropyLoss'
  const loss = (isClasses ? crossEntropy : mseLoss) as Loss<AnyTensor>
  const batches = golden.batches.map(({ inputs, targets }) => ({
    inputs: tensor(Float64Array.from(inputs.data) as unknown as Float32Array<ArrayBuffer>, {
      shape: inputs.shape,
      dtype: 'float32',
    }),
    targets: isClasses
      ? intTensor([...targets.data])
      : tensor(Float64Array.from(targets.data) as unknown as Float32Array<ArrayBuffer>, {
          shape: targets.shape,
          dtype: 'float32',
        }),
  }))
  return runSteps({ model, loss, engine, batches, cockpit, learningRate: golden.optimizer.lr, ...optimizer })
}
