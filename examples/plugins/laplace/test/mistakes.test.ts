/** @file What makes no sense is refused by a sentence. */
import { checkPlugin } from '@beyondgrad/autograd'
import { Linear } from '@beyondgrad/nn'
import { intTensor, tensor } from '@beyondgrad/tensor'
import { expect, it } from 'vitest'
import plugin, { fitLaplace, type LaplaceOptions, PosteriorVariance } from '../src/index.ts'

const batch = { inputs: tensor([[1, 2]]), targets: intTensor([1]) }
const fit = (options: Partial<LaplaceOptions> = {}, batches = [batch]) =>
  fitLaplace(batches, { model: Linear(2, 2, { seed: 1 }), likelihood: 'classification', ...options })

it('refuses options that make no sense', async () => {
  await expect(fit({ priorPrecision: 0 })).rejects.toThrow(/priorPrecision must be a positive number, not 0/)
  await expect(fit({ priorPrecision: { weight: 1 } })).rejects.toThrow(/has no number for "bias"/)
  await expect(fit({ noise: 2 })).rejects.toThrow(/no observation noise/)
  await expect(fit({ structure: 'full' as never })).rejects.toThrow(/"diagonal" or "kronecker", not "full"/)
  await expect(fit({ likelihood: 'mse' as never })).rejects.toThrow(/not "mse"/)
  await expect(fit({}, [])).rejects.toThrow(/no batches/)
  expect(() => PosteriorVariance({ repeats: 0 })).toThrow(/repeats must be a positive number/)
  const laplace = await fit()
  await expect(laplace.predict(tensor([[1, 2]]), { chunk: 0 })).rejects.toThrow(/chunk 0/)
})

it('refuses to predict with other parameters than it was fitted for', async () => {
  const model = Linear(2, 2, { seed: 1 })
  const laplace = await fit({ model })
  model.parameters.get('bias').set(Float32Array.of(1, 2))
  await expect(laplace.predict(tensor([[1, 2]]))).rejects.toThrow(/"bias" has changed/)
})

it('knows where the evidence has no maximum', async () => {
  const model = Linear(2, 2, { seed: 1 })
  for (const [parameter] of model.parameters)
    parameter.set(new Float32Array(parameter.shape.reduce((a, b) => a * b)))
  const laplace = await fit({ model })
  expect(() => laplace.withBestPrior()).toThrow(/the network has no maximum, since all of it is zero/)
})

it('can be stopped', async () => {
  await expect(fit({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
})

it('is a plugin', () => {
  expect(() => checkPlugin(plugin)).not.toThrow()
  expect(Object.keys(plugin.quantities ?? {})).toEqual(['posterior-variance'])
})
