/** @file Takes a classifier from a file, and writes it with its loss, norms of individual gradients and curvature as further outputs. */
import { crossEntropy } from '@beyondgrad/autograd'
import { BatchL2, DiagGGN, Gradient } from '@beyondgrad/backpack'
import { extendOnnx, importOnnx } from '@beyondgrad/onnx-import'
import type { Tensor } from '@beyondgrad/tensor'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const model = await importOnnx(
  new Uint8Array(readFileSync(at('../../../fixtures/goldens/mlp/tanh_ce_mean/model.onnx'))),
)
const { bytes, inputs, outputs } = extendOnnx(model, {
  loss: (scores, target) => crossEntropy(scores, target as Tensor<'int32'>),
  extensions: { gradient: Gradient(), 'batch-l2': BatchL2(), 'diag-ggn': DiagGGN() },
})
writeFileSync(at('../extended.onnx'), bytes)
for (const { name, shape } of inputs) console.log('takes', name, shape.join(' × '))
for (const { name, shape } of outputs) console.log('gives', name, shape.join(' × '))
