/** @file Models that end in probabilities: losses look at what goes into them, and say so. */
import { importOnnx } from '@beyondgrad/onnx-import'
import { modelBuilder } from '@beyondgrad/onnx'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { QuantitiesDocument } from '../src/quantities/document.ts'
import { run, scratch } from './fixtures.ts'

const path = scratch()

const array = (shape: readonly number[], data: readonly number[], dtype?: string): string =>
  JSON.stringify({ shape, data, ...(dtype && { dtype }) })

/** x W, with an activation behind it or without one. */
function written(name: string, head?: string): string {
  const builder = modelBuilder({ opset: 17, name })
  const x = builder.input('x', 'float32', ['N', 2])
  const w = builder.initializer('float32', [2, 3], [0.5, -1, 2, 1, 0.25, -0.5], 'w')
  const z = builder.node('MatMul', [x, w])
  builder.output('y', 'float32', ['N', 3], head === undefined ? z : builder.node(head, [z]))
  writeFileSync(path(`${name}.onnx`), builder.finish())
  return path(`${name}.onnx`)
}

writeFileSync(path('x.json'), array([2, 2], [1, 2, -0.5, 0.75]))
writeFileSync(path('classes.json'), array([2], [2, 0], 'int64'))
writeFileSync(path('values.json'), array([2, 3], [1, 0, 1, 0, 0, 1]))

const words = (model: string, loss: string, target: string): string[] => [
  ...['quantities', model, '--input', path('x.json'), '--target', path(target), '--loss', loss],
  ...['--quantities', 'gradient,diag-ggn', '--engine', 'reference', '--json'],
]

describe('a model that ends in probabilities', () => {
  it.each([
    ['Softmax', 'cross-entropy', 'classes.json'],
    ['Sigmoid', 'bce-with-logits', 'values.json'],
  ])('%s under %s is as the model without it, and that is said', async (head, loss, target) => {
    const plain = await run(...words(written('plain'), loss, target))
    const headed = await run(...words(written(head, head), loss, target))
    expect(plain.complaints).toEqual([])
    expect(headed.complaints).toEqual([
      expect.stringMatching(new RegExp(`^"y" is the ${head} of ".+", which ${loss} looks at instead$`)),
    ])
    const [a, b] = [plain, headed].map(({ stdout }) => JSON.parse(stdout) as QuantitiesDocument)
    expect(b!.loss).toBeCloseTo(Number(a!.loss), 10)
    expect(b!.quantities).toEqual(a!.quantities)
  })

  it('a squared error looks at the probabilities themselves', async () => {
    const found = await run(...words(written('squared', 'Softmax'), 'mse', 'values.json'))
    expect(found.status).toBe(0)
    expect(found.complaints).toEqual([])
  })

  it('is written back with its head and its operator versions when it has been trained', async () => {
    writeFileSync(
      path('data.json'),
      JSON.stringify({
        x: { shape: [4, 2], data: [1, 2, -0.5, 0.75, 1, 0, 0, 1] },
        y: { shape: [4], data: [2, 0, 1, 1], dtype: 'int32' },
      }),
    )
    const { status } = await run(
      ...['train', written('trained', 'Softmax'), '--data', path('data.json'), '--loss', 'cross-entropy'],
      ...[
        '--optimizer',
        'sgd',
        '--lr',
        '0.1',
        '--epochs',
        '2',
        '--batch-size',
        '2',
        '--log',
        path('run'),
        '--out',
        path('out.onnx'),
      ],
      ...['--engine', 'reference'],
    )
    expect(status).toBe(0)
    const [before, after] = await Promise.all(
      ['trained.onnx', 'out.onnx'].map((name) => importOnnx(new Uint8Array(readFileSync(path(name))))),
    )
    expect([...after!.operators]).toEqual([...before!.operators])
    expect(after!.parameters.names).toEqual(['w'])
    expect(readFileSync(path('out.onnx')).length).toBe(readFileSync(path('trained.onnx')).length)
    expect(readFileSync(path('out.onnx')).equals(readFileSync(path('trained.onnx')))).toBe(false)
  })
})
