/** @file `beyondgrad inspect`, `explain`, `extend` and `conformance`. */
import type { JsonArray } from '@beyondgrad/io'
import { modelBuilder } from '@beyondgrad/onnx'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import type { ConformanceDocument } from '../src/conformance/conformance.ts'
import type { ExplainDocument } from '../src/explain/explain.ts'
import type { InspectDocument } from '../src/inspect/inspect.ts'
import type { QuantitiesDocument } from '../src/quantities/document.ts'
import { batch, branches, documentOf, fixture, golden, network, run, scratch } from './fixtures.ts'

const path = scratch()

describe('beyondgrad inspect', () => {
  it('tells inputs, outputs, operators, and of parameters why they are some', async () => {
    const found = await documentOf<InspectDocument>('inspect', network)
    expect(found).toMatchObject({
      inputs: [{ name: 'input', dtype: 'float32', shape: ['N', 4] }],
      outputs: [{ name: 'output', dtype: 'float32' }],
      operators: ['Gemm', 'Relu'],
      buffers: [],
      size: 5 * 4 + 5 + 3 * 5 + 3,
    })
    expect(found.parameters.map(({ name }) => name)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
    expect(found.parameters[0]).toMatchObject({
      shape: [5, 4],
      trainable: true,
      uses: [{ operator: 'Gemm', input: 1 }],
    })
    const { stdout } = await run('inspect', network)
    expect(stdout).toContain('0.weight [5, 4]: it is input 1 of Gemm')
  })

  it('tells running statistics, and everything that stands in the way', async () => {
    const found = await documentOf<InspectDocument>(
      'inspect',
      fixture('goldens-graphs/batchnorm/bn1d_mlp/model.onnx'),
    )
    expect(found.buffers.length).toBeGreaterThan(0)
    const builder = modelBuilder({ opset: 17, name: 'strange' })
    const x = builder.input('x', 'float32', ['N'])
    builder.output('y', 'float32', ['N'], builder.node('Strange', [builder.node('Stranger', [x])]))
    writeFileSync(path('strange.onnx'), builder.finish())
    const { status, complaints } = await run('inspect', path('strange.onnx'))
    expect(status).toBe(1)
    expect(complaints).toEqual([expect.stringMatching(/Stranger of opset 17.*Strange of opset 17/)])
  })
})

describe('beyondgrad explain', () => {
  const words = ['explain', network, '--loss', 'cross-entropy']

  it('tells columns, work and memory of each quantity for a batch size', async () => {
    const asked = ['--quantities', 'gradient,diag-ggn', '--batch', '7']
    const found = await documentOf<ExplainDocument>(...words, ...asked)
    expect(found).toMatchObject({ loss: 'cross-entropy', samples: 7 })
    expect(found.parameters.map(({ name }) => name)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias'])
    expect(found.quantities).toMatchObject([
      { quantity: 'gradient', status: 'native', ratio: 1 },
      { quantity: 'diag-ggn', status: 'native', columns: 2 },
    ])
    const { stdout } = await run(...words, ...asked)
    expect(stdout).toMatch(/^7 samples\n/)
  })

  it('says what cannot be had, and why', async () => {
    const found = await documentOf<ExplainDocument>(
      ...['explain', `${branches}/model.onnx`, '--loss', 'cross-entropy', '--quantities', 'kfra,variance'],
    )
    expect(found.quantities).toMatchObject([
      { quantity: 'kfra', status: 'impossible', because: expect.stringContaining('KFLR') as string },
      { quantity: 'variance', status: 'native' },
    ])
  })

  it('asks for sizes that the file does not say', async () => {
    const builder = modelBuilder({ opset: 17, name: 'free' })
    const x = builder.input('x', 'float32', ['N', 'T', 2])
    const weight = builder.initializer('float32', [2, 2], [1, 2, 3, 4], 'weight')
    builder.output('y', 'float32', ['N', 'T', 2], builder.node('MatMul', [x, weight]))
    writeFileSync(path('free.onnx'), builder.finish())
    const asked = ['explain', path('free.onnx'), '--loss', 'mse', '--quantities', 'batch-l2']
    const { status, complaints } = await run(...asked)
    expect([status, complaints]).toEqual([
      2,
      [expect.stringContaining('the input "x" takes any size "T": say which, as --shape x=N,8,2')],
    ])
    const found = await documentOf<ExplainDocument>(...asked, '--shape', 'x=N,6,2', '--batch', '3')
    expect(found.parameters[0]!.uses[0]!.shapes[0]).toEqual([3, 6, 2])
    for (const shape of ['x=N,-1,2', 'x', 'y=1,2', 'x=N,,2']) {
      expect((await run(...asked, '--shape', shape)).status).toBe(2)
    }
  })
})

describe('beyondgrad extend', () => {
  it('writes a model that ONNX Runtime alone gets the same numbers from, with a batch of any size', async () => {
    const asked = 'gradient,batch-l2,diag-ggn,kflr'
    const told = await documentOf<{ outputs: { name: string }[]; notes: string[] }>(
      ...[
        'extend',
        network,
        '--loss',
        'cross-entropy',
        '--quantities',
        asked,
        '--out',
        path('extended.onnx'),
      ],
    )
    expect(told.notes).toEqual([])
    const session = await InferenceSession.create(path('extended.onnx'))
    expect(session.inputNames).toEqual(['input', 'target'])
    expect(session.outputNames).toEqual(told.outputs.map(({ name }) => name))
    expect(session.outputNames.slice(0, 3)).toEqual(['output', 'loss', 'gradient/0.weight'])
    const { input, target } = JSON.parse(readFileSync(golden, 'utf8')) as Record<
      'input' | 'target',
      JsonArray
    >
    for (const samples of [5, 2]) {
      const x = { shape: [samples, 4], data: input.data.slice(0, samples * 4) }
      const y = { shape: [samples], data: target.data.slice(0, samples) }
      writeFileSync(path('batch.json'), JSON.stringify({ x, y }))
      const expected = await documentOf<QuantitiesDocument>(
        ...[...batch, '--input', `${path('batch.json')}:x`, '--target', `${path('batch.json')}:y`],
        ...['--quantities', asked],
      )
      const found = await session.run({
        input: new Tensor('float32', Float32Array.from(x.data as number[]), x.shape),
        target: new Tensor('int32', Int32Array.from(y.data as number[]), y.shape),
      })
      expect(found.loss!.data[0]).toBeCloseTo(expected.loss as number, 5)
      const gradient = expected.quantities.gradient as Record<string, JsonArray>
      const squares = expected.quantities['batch-l2'] as Record<string, JsonArray>
      const factors = expected.quantities.kflr as Record<string, JsonArray[]>
      for (const [name, wanted] of [
        ['gradient/0.weight', gradient['0.weight']!],
        ['batch-l2/2.bias', squares['2.bias']!],
        ['kflr/0.weight/output', factors['0.weight']![0]!],
        ['kflr/0.weight/input', factors['0.weight']![1]!],
      ] as const) {
        expect(found[name]!.dims).toEqual(wanted.shape)
        const data = found[name]!.data as Float32Array
        wanted.data.forEach((value, i) => expect(data[i]).toBeCloseTo(value as number, 5))
      }
    }
  })

  it('refuses to write anything but a model', async () => {
    const words = [
      'extend',
      network,
      '--loss',
      'cross-entropy',
      '--quantities',
      'gradient',
      '--out',
      'x.json',
    ]
    expect(await run(...words)).toMatchObject({
      status: 2,
      complaints: ['--out x.json: an extended model is a .onnx'],
    })
  })
})

describe('beyondgrad conformance', () => {
  interface Files {
    readonly model: string
    readonly inputs: readonly string[]
    readonly outputs: readonly string[]
  }
  const cases = JSON.parse(readFileSync(fixture('onnx-conformance.json'), 'utf8')) as Record<string, Files>

  function write(name: string, files: Files): void {
    const data = path(`cases/${name}/test_data_set_0`)
    mkdirSync(data, { recursive: true })
    writeFileSync(path(`cases/${name}/model.onnx`), Buffer.from(files.model, 'base64'))
    for (const kind of ['input', 'output'] as const) {
      files[`${kind}s`].forEach((file, i) => {
        writeFileSync(`${data}/${kind}_${i}.pb`, Buffer.from(file, 'base64'))
      })
    }
  }

  const good = cases['node-opset17/test_acos_example']!
  const other = cases['node-opset17/test_asin_example']!
  write('suite/good', good)
  write('suite/wrong', { ...good, outputs: other.outputs })
  write('more/damaged', { ...good, model: good.model.slice(0, 40) })
  const builder = modelBuilder({ opset: 17, name: 'strange' })
  builder.output('y', 'float32', [1], builder.node('Strange', [builder.input('x', 'float32', [1])]))
  write('more/strange', { ...good, model: Buffer.from(builder.finish()).toString('base64') })

  it.each(['reference', 'onnxruntime', 'tfjs'])(
    'says of each case what became of it, on %s',
    async (engine) => {
      const found = await documentOf<ConformanceDocument>('conformance', path('cases'), '--engine', engine)
      expect(found.engine).toBe(engine)
      expect(found.cases.map(({ name, status }) => [name, status])).toEqual([
        ['more/damaged', 'error'],
        ['more/strange', 'unsupported'],
        ['suite/good', 'passed'],
        ['suite/wrong', 'failed'],
      ])
      expect(found.cases[1]).toMatchObject({
        operators: ['Strange'],
        message: expect.stringContaining('Strange') as string,
      })
      expect(found.cases[2]).toEqual({ name: 'suite/good', status: 'passed', operators: ['Acos'] })
      expect(found.cases[3]!.message).toMatch(/element \d+ of .* is .* instead of/)
    },
  )

  it('takes a suite or a case, and counts by operator', async () => {
    const { status, stdout } = await run('conformance', path('cases/suite'), '--engine', 'reference')
    expect(status).toBe(0)
    expect(stdout).toMatch(/│ Acos +│ +1 │ +1 │ +0 │ +0 │/)
    expect(stdout).toContain('2 cases on reference: 1 passed, 1 failed, 0 unsupported, 0 error')
    const one = await documentOf<ConformanceDocument>('conformance', path('cases/suite/good'))
    expect(one.cases.map(({ name }) => name)).toEqual(['suite/good'])
  })

  it.each([
    ['cases/nothing', 'cannot be read (ENOENT'],
    ['cases/suite/good/test_data_set_0', 'holds no case: a case is a folder with model.onnx'],
  ])('of %s is one sentence', async (folder, sentence) => {
    expect(await run('conformance', path(folder))).toMatchObject({
      status: 1,
      complaints: [expect.stringContaining(sentence)],
    })
  })
})
