/** @file What single precision must not lose. */
import { evaluate, softmax, tensor } from '@beyondgrad/tensor'
import { expect, it } from 'vitest'
import { onnxruntime } from '../src/index.ts'

const engine = onnxruntime()

it.each([5e3, 5e4, 5e5])('shares probability evenly between two logits of %d', async (logit) => {
  const { p } = await evaluate({ p: softmax(tensor([[logit, logit]])) }, { engine })
  expect([...p.data]).toEqual([0.5, 0.5])
})
