/** @file Quantities of whole data sets: each over any batches the same as of one big batch. */
import { backward, type Extension, type Parameter } from '@beyondgrad/autograd'
import { BeyondgradError, type Tensor } from '@beyondgrad/tensor'
import { checkMerge } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  BatchDiagGGN,
  BatchDiagGGNMC,
  BatchDiagHessian,
  BatchGradient,
  BatchJacobianL2,
  BatchL2,
  DiagEmpiricalFisher,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  DiagHessianMC,
  GGNMP,
  Gradient,
  HBP,
  HMP,
  KFAC,
  KFLR,
  SqrtGGN,
  SqrtGGNMC,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { data } from './network.ts'
import { networks } from './networks.ts'

const oneVector = ({ name, shape }: Parameter): Tensor => data(`v ${name}`, [1, ...shape])

const quick: Readonly<Record<string, () => Extension<unknown>>> = {
  Gradient,
  BatchGradient,
  BatchL2,
  SumGradSquared,
  Variance,
}
const secondOrder: Readonly<Record<string, () => Extension<unknown>>> = {
  DiagGGN,
  BatchDiagGGN,
  SqrtGGN,
  KFLR,
  DiagGGNMC: () => DiagGGNMC({ samples: 2, seed: 1 }),
  BatchDiagGGNMC: () => BatchDiagGGNMC({ samples: 2, seed: 1 }),
  SqrtGGNMC: () => SqrtGGNMC({ samples: 2, seed: 1 }),
  KFAC: () => KFAC({ samples: 2, seed: 1 }),
  'KFAC, reduce': () => KFAC({ mode: 'reduce' }),
  DiagEmpiricalFisher,
  BatchJacobianL2,
}
const hessians: Readonly<Record<string, () => Extension<unknown>>> = {
  DiagHessian,
  BatchDiagHessian,
  'HBP, Hessian': () => HBP({ curvature: 'hessian' }),
  DiagHessianMC: () => DiagHessianMC({ samples: 2 }),
  GGNMP: () => GGNMP({ vectors: oneVector }),
  HMP: () => HMP({ vectors: oneVector }),
}

describe.each(networks)('$name', ({ problem, indefinite = false }) => {
  const all = { ...quick, ...(indefinite ? {} : secondOrder), ...hessians }
  it.each(Object.keys(all))('%s', async (quantity) => {
    const extension = all[quantity]!()
    const alone = await refusal(() => {
      const { model, loss, inputs, targets } = problem(5)
      backward(loss(model(inputs), targets), { extension })
    })
    const parts = await refusal(() => checkMerge(extension, problem(5)))
    // What one batch can't have is refused for the whole, in the same words.
    expect(parts).toBe(alone)
  })
})

/** Why it can't be had, if it can't; every other failure is one. */
async function refusal(work: () => void | Promise<void>): Promise<string | undefined> {
  try {
    await work()
  } catch (error) {
    if (error instanceof BeyondgradError && error.code === 'unsupported') return error.message
    throw error
  }
  return undefined
}
