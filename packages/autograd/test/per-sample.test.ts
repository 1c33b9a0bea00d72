import { evaluate, matmul, reshape, tanh, type Tensor, tensor } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { gradient, parameterMap, perSample } from '../src/index.ts'
import { output, target, v, w, x } from './networks.ts'

/** Of one sample [2] and its target [2]. */
const loss = (one: Tensor, goal: Tensor): Tensor =>
  reshape(matmul(tanh(matmul(reshape(one, [1, 2]), w.value)), v.value), [2])
    .sub(goal)
    .square()
    .sum()

describe('perSample', () => {
  it('is the gradient of each sample alone', async () => {
    const result = perSample(loss)(x, target)
    expect(result.names).toEqual(['w', 'v'])
    const all = await evaluate({ result, whole: gradient(output().sub(target).square().sum()) })
    for (let n = 0; n < 3; n++) {
      const row = (a: Tensor): Tensor => reshape(a.slice(0, n, n + 1), [2])
      const alone = await evaluate(gradient(loss(row(x), row(target))))
      for (const [parameter, { data }] of alone) {
        const found = all.result.get(parameter).data.slice(n * data.length, (n + 1) * data.length)
        data.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 12))
      }
    }
    expect(all.result.get('w').shape).toEqual([3, 2, 3])
  })

  it('of chosen parameters, and of one that no sample reaches differently', async () => {
    const linear = perSample((one: Tensor) => v.value.sum().add(one.sum()), parameterMap([v]))
    const { result } = await evaluate({ result: linear(x) })
    expect(result.names).toEqual(['v'])
    expect([...result.get('v').data]).toEqual(Array(18).fill(1))
  })

  it('says what is wrong with a batch', () => {
    expect(() => perSample(loss)(x, tensor([[1, 2]]))).toThrow(/\[3, 2\], \[1, 2\]/)
    expect(() => perSample(loss)(tensor(1), target)).toThrow(/samples on axis 0/)
  })
})
