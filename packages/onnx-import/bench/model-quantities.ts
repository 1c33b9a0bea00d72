/**
 * @file Every quantity on every model beside the repository, on ONNX Runtime: how long it takes, whether the laws that tie it to
 * others hold, or why it is refused: `npm run model-quantities -- [--model NAME] [--only QUANTITY] [--samples N]`.
 */
import { crossEntropy } from '@beyondgrad/autograd'
import type { QuantityName } from '@beyondgrad/backpack'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { type AnyTensor, cast, evaluate, type NDArray, tensor } from '@beyondgrad/tensor'
import { parseArgs } from 'node:util'
import { importOnnx } from '../src/index.ts'
import { quantityNames, reportOf } from '../test/quantity-laws.ts'
import { modelFolder, modelNames, readReference, samplesOf } from '../test/reference-model.ts'

const { values } = parseArgs({
  options: { model: { type: 'string' }, only: { type: 'string' }, samples: { type: 'string' } },
})
const engine = onnxruntime()
const wanted = (values.only?.split(',') ?? quantityNames) as QuantityName[]
const refused: string[] = []

for (const name of values.model?.split(',') ?? [...modelNames, 'ppocr_cls']) {
  const folder = modelFolder(name)
  if (folder === undefined) {
    console.log(`${name}: not there`)
    continue
  }
  const { reference, array } = readReference(folder)
  const labels = array(reference.loss.labels)
  const sizes =
    values.samples === undefined ? [labels.shape[0]!, labels.shape[0]! - 1] : [Number(values.samples)]
  for (const samples of sizes) {
    const positions = Array.from({ length: samples }, (_, i) => i % labels.shape[0]!)
    const given = (of: string): AnyTensor => tensor(samplesOf(array(of), positions) as NDArray)
    for (const quantity of wanted) {
      const model = await importOnnx({ path: `${folder}/model.onnx` })
      const head = reference.loss.kind.includes('Softmax') ? model.withLogits() : model
      const start = performance.now()
      try {
        const loss = crossEntropy(
          head(...reference.inputs.map((each) => given(each.tensor))),
          cast(given(reference.loss.labels), 'int32'),
        )
        const { largest, smallest, difference } = await evaluate(
          reportOf(
            quantity,
            loss,
            head.parameters,
            samples,
            (labels.data.length / labels.shape[0]!) * samples,
          ),
          { engine },
        )
        let [top, low, apart, count] = [0, 0, 0, 0]
        for (const [, p] of head.parameters) {
          if (!p.trainable || !largest.names.includes(p.name)) continue
          count++
          top = Math.max(top, Number(largest.get(p.name).data[0]))
          low = Math.min(low, Number(smallest?.get(p.name).data[0] ?? 0))
          const [a, b] = difference?.get(p.name).data ?? [0, 0]
          const relative = Number(a) / Math.max(Number(b), 1e-12)
          if (!Number.isFinite(top)) console.log(`  not finite: ${p.name}`)
          if (relative > 1e-3) console.log(`  ${p.name}: ${a} of ${b}`)
          apart = Math.max(apart, relative)
        }
        const seconds = (performance.now() - start) / 1000
        const memory = Math.round(process.memoryUsage().rss / 2 ** 20)
        console.log(
          `${name} N=${samples} ${quantity}: ${count} parameters, largest ${top.toExponential(2)}, smallest ${low.toExponential(2)}, law ${apart.toExponential(1)}, ${seconds.toFixed(1)} s, ${memory} MB`,
        )
      } catch (error) {
        console.log(`${name} N=${samples} ${quantity}: REFUSED ${(error as Error).message}`)
        refused.push(`${name} ${quantity}`)
      }
    }
  }
}
console.log(`refused: ${refused.join(', ') || 'nothing'}`)
