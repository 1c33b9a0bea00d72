/** @file A training that a cockpit watches, and what it logged. */
import type { Batch, Loss, Module } from '@beyondgrad/autograd'
import { SGD, trainStep } from '@beyondgrad/nn'
import type { AnyTensor, Engine } from '@beyondgrad/tensor'
import { type CockpitOptions, openCockpit, type TrackedStep } from '../src/index.ts'

export interface Momentum {
  readonly momentum: number
}

export interface Training extends Momentum {
  readonly model: unknown
  readonly loss: Loss<AnyTensor>
  readonly engine: Engine
  readonly learningRate: number
  readonly batches: readonly Batch<AnyTensor>[]
  readonly cockpit: CockpitOptions
}

/** Trains on each batch once; returns what was logged, by steps. */
export async function runSteps(training: Training): Promise<Map<number, TrackedStep>> {
  const { loss, engine, learningRate, momentum, batches } = training
  const model = training.model as Module
  const steps = new Map<number, TrackedStep>()
  const cockpit = await openCockpit({ ...training.cockpit, onStep: (line) => steps.set(line.step, line) })
  const optimizer = SGD(model.parameters, { learningRate, momentum })
  const train = trainStep<AnyTensor>({ model, loss, optimizer, engine, observers: [cockpit] })
  for (const batch of batches) await train(batch)
  await cockpit.close()
  return steps
}
