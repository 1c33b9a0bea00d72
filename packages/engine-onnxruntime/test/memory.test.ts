/** @file Memory does not grow with the number of runs. */
import { compile, type Tensor } from '@beyondgrad/tensor'
import { expect, it } from 'vitest'
import { native, numbers } from './against-reference.ts'

it('stays flat over 2,000 runs', async () => {
  const step = compile((x: Tensor) => x.matmul(x.transpose()).sum([0]), { engine: native })
  const x = numbers([64, 1024], 1)
  for (let i = 0; i < 200; i++) await step(x)
  const before = process.memoryUsage().rss
  for (let i = 0; i < 2000; i++) await step(x)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
})
