/** @file How much each of several batches counts: by its terms, or as the option share says. */
import { crossEntropy, mseLoss } from '@beyondgrad/autograd'
import { sum, type Tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { diagonal, EmpiricalFisherOperator, GGNOperator, HessianOperator } from '../../src/index.ts'
import { close } from '../closeness.ts'
import { normal } from './dense.ts'
import { all, model, part, type Samples, split } from './samples.ts'

describe('shares of batches', () => {
  const net = model()
  const square = ({ inputs }: Samples): Tensor => net(inputs).square().mean()
  it('are asked for where no loss is marked', async () => {
    const options = { loss: square, data: split }
    const operator = await HessianOperator(options)
    const vector = normal('u', operator.layout.size)
    await expect(operator.matvec(vector)).rejects.toThrow(/say it with the option share/)
    const shared = await HessianOperator({ ...options, share: ({ inputs }) => inputs.shape[0]! / 7 })
    const one = await HessianOperator({ loss: square, data: all })
    close(await shared.matvec(vector), await one.matvec(vector), 1e-11)
    await expect(GGNOperator(options)).rejects.toMatchObject({ code: 'not-a-loss' })
    const odd = await HessianOperator({ ...options, share: () => NaN })
    await expect(odd.matvec(vector)).rejects.toThrow(/share of a batch must be a finite number, not NaN/)
  })

  it('are asked for where the loss bends in a marked one, or weighs it otherwise in every batch', async () => {
    const error = ({ inputs }: Samples): Tensor => mseLoss(net(inputs), inputs.slice(1, 0, 3))
    const bent = (batch: Samples): Tensor => error(batch).sqrt()
    const [one, several] = [
      await HessianOperator({ loss: bent, data: all }),
      await HessianOperator({ loss: bent, data: split }),
    ]
    const vector = normal('u', one.layout.size)
    expect(await one.matvec(vector)).toHaveLength(vector.length)
    await expect(several.matvec(vector)).rejects.toThrow(
      /no linear combination of marked losses .* option share/,
    )
    for (const reduction of ['mean', 'sum'] as const) {
      const byHand = ({ inputs }: Samples): Tensor =>
        mseLoss(net(inputs), inputs.slice(1, 0, 3), { reduction }).mul(1 / inputs.shape[0]!)
      const weighed = await GGNOperator({ loss: byHand, data: [part(0, 2), part(2, 7)] })
      await expect(weighed.matvec(vector)).rejects.toThrow(/multiplied with 0.2\d*, those of the first batch/)
    }
    // By hand as by the loss itself, if its share is said.
    const mean = await GGNOperator({ loss: error, data: all })
    const shared = await GGNOperator({
      loss: ({ inputs }: Samples) =>
        mseLoss(net(inputs), inputs.slice(1, 0, 3), { reduction: 'sum' }).mul(1 / (3 * inputs.shape[0]!)),
      data: [part(0, 2), part(2, 7)],
      share: ({ inputs }) => inputs.shape[0]! / 7,
    })
    close(await shared.matvec(vector), await mean.matvec(vector), 1e-11)
  })

  it('must be those of all losses', async () => {
    const two = ({ inputs, targets }: Samples): Tensor =>
      crossEntropy(net(inputs), targets, { ignoreIndex: 1 }).add(mseLoss(net(inputs), inputs.slice(1, 0, 3)))
    const operator = await GGNOperator({ loss: two, data: [part(0, 2), part(2, 7)] })
    await expect(operator.matvec(normal('u', operator.layout.size))).rejects.toThrow(
      /the losses of a batch count .* of all batches/,
    )
    const alike = ({ inputs, targets }: Samples): Tensor =>
      crossEntropy(net(inputs), targets).add(mseLoss(net(inputs), inputs.slice(1, 0, 3)).mul(3))
    const [one, several] = [
      await GGNOperator({ loss: alike, data: all }),
      await GGNOperator({ loss: alike, data: split }),
    ]
    const vector = normal('u', one.layout.size)
    close(await several.matvec(vector), await one.matvec(vector), 1e-11)
    const mixed = ({ inputs, targets }: Samples): Tensor =>
      crossEntropy(net(inputs), targets).add(
        mseLoss(net(inputs), inputs.slice(1, 0, 3), { reduction: 'sum' }),
      )
    const unsaid = await GGNOperator({ loss: mixed, data: split })
    await expect(unsaid.matvec(vector)).rejects.toThrow(
      /some of the losses average over a batch and others add up, .* share/,
    )
    const [once, twice] = [
      await GGNOperator({ loss: mixed, data: all }),
      await GGNOperator({ loss: mixed, data: [all, all], share: () => 0.5 }),
    ]
    close(await twice.matvec(vector), await once.matvec(vector), 1e-11)
    await expect(EmpiricalFisherOperator({ loss: alike, data: all })).rejects.toThrow(
      /the loss combines 2 marked losses/,
    )
  })

  it('terms of parameters alone count for the Hessian, once', async () => {
    const decayed = ({ inputs, targets }: Samples): Tensor =>
      crossEntropy(net(inputs), targets).add(sum(net.parameters.get('0.weight').value.square()).mul(0.5))
    const plain = ({ inputs, targets }: Samples): Tensor => crossEntropy(net(inputs), targets)
    const vector = normal('u', 43)
    const onWeight = vector.map((x, i) => (i < 20 ? x : 0))
    const [h, h0] = [
      await HessianOperator({ loss: decayed, data: split }),
      await HessianOperator({ loss: plain, data: all }),
    ]
    const expected = (await h0.matvec(vector)).map((x, i) => x + onWeight[i]!)
    close(await h.matvec(vector), expected, 1e-11)
    const [g, g0] = [
      await GGNOperator({ loss: decayed, data: split }),
      await GGNOperator({ loss: plain, data: all }),
    ]
    close(await g.matvec(vector), await g0.matvec(vector), 1e-11)
    close((await diagonal(g)).value, (await diagonal(g0)).value, 1e-11)
  })
})
