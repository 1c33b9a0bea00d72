/** @file `beyondgrad quantities`: its document, where arrays come from and go to, what is refused and how. */
import {
  formatNpz,
  formatSafetensors,
  type JsonArray,
  type NamedArrays,
  readNpz,
  readSafetensors,
  writeNpy,
} from '@beyondgrad/io'
import { modelBuilder } from '@beyondgrad/onnx'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { QuantitiesDocument } from '../src/quantities/document.ts'
import { batch, branches, documentOf, golden, network, pluginFile, run, scratch } from './fixtures.ts'

const path = scratch()
const quantity = (name: string): readonly string[] => [...batch, '--quantities', name]

interface Batch {
  readonly input: JsonArray
  readonly target: JsonArray
}

const { input, target } = JSON.parse(readFileSync(golden, 'utf8')) as Batch
const arrays: NamedArrays = {
  x: { shape: input.shape, dtype: 'float64', data: Float64Array.from(input.data as number[]) },
  y: { shape: target.shape, dtype: 'int64', data: BigInt64Array.from(target.data as number[], BigInt) },
}

describe('beyondgrad quantities', () => {
  it('prints loss, engine, normalizer, output and quantities by parameter; factors with the output side first', async () => {
    const found = await documentOf<QuantitiesDocument>(...quantity('gradient,batch-l2,kflr'))
    expect(Object.keys(found)).toEqual(['loss', 'engine', 'normalizer', 'output', 'quantities'])
    expect(found).toMatchObject({ engine: 'reference', normalizer: 5, output: { shape: [5, 3] } })
    expect(found.loss).toBeCloseTo(1.4626709726459666, 12)
    const parameters = ['0.weight', '0.bias', '2.weight', '2.bias']
    for (const result of Object.values(found.quantities)) expect(Object.keys(result)).toEqual(parameters)
    const shapes = (name: string): unknown =>
      Object.values(found.quantities[name] as Record<string, JsonArray | JsonArray[]>).map((each) =>
        Array.isArray(each) ? each.map(({ shape }) => shape) : each.shape,
      )
    expect(shapes('gradient')).toEqual([[5, 4], [5], [3, 5], [3]])
    expect(shapes('batch-l2')).toEqual([[5], [5], [5], [5]])
    expect(shapes('kflr')).toEqual([[[5, 5], [4, 4]], [[5, 5]], [[3, 3], [5, 5]], [[3, 3]]]) // prettier-ignore
  })

  it('takes arrays from npy, npz, safetensors and JSON, in any element type that fits', async () => {
    await writeNpy(path('x.npy'), arrays.x!)
    await writeNpy(path('y.npy'), {
      ...target,
      dtype: 'float64',
      data: Float64Array.from(target.data as number[]),
    })
    writeFileSync(path('xy.npz'), formatNpz(arrays, { compress: true }))
    writeFileSync(path('xy.safetensors'), formatSafetensors(arrays))
    writeFileSync(path('x.json'), JSON.stringify({ shape: input.shape, data: input.data }))
    // Without a dtype.
    writeFileSync(path('y.json'), JSON.stringify({ shape: target.shape, data: target.data }))
    const expected = await documentOf<QuantitiesDocument>(...quantity('gradient'))
    for (const [x, y] of [
      [path('x.npy'), path('y.npy')],
      [`${path('xy.npz')}:x`, `${path('xy.npz')}:y`],
      [`${path('xy.safetensors')}:x`, `${path('xy.safetensors')}:y`],
      [`input=${path('x.json')}`, path('y.json')],
    ] as const) {
      const words = [...quantity('gradient'), '--input', x, '--target', y]
      expect(await documentOf<QuantitiesDocument>(...words)).toEqual(expected)
    }
  })

  it('writes what it prints: as JSON, npz or safetensors', async () => {
    const words = quantity('gradient,kflr')
    const printed = await documentOf<QuantitiesDocument>(...words, '--out', path('out.json'))
    expect(JSON.parse(readFileSync(path('out.json'), 'utf8'))).toEqual(printed)
    await run(...words, '--out', path('out.npz'))
    await run(...words, '--out', path('out.safetensors'))
    const npz = await readNpz(path('out.npz'))
    expect(await readSafetensors(path('out.safetensors'))).toEqual(npz)
    expect(Object.keys(npz)).toContain('kflr/0.weight/output')
    expect(npz['kflr/0.bias/input']).toBeUndefined()
    const gradient = printed.quantities.gradient as Record<string, JsonArray>
    expect([...npz['gradient/2.bias']!.data]).toEqual(gradient['2.bias']!.data)
    expect([...npz.loss!.data]).toEqual([printed.loss])
  })

  it('divides by what the reduction says', async () => {
    writeFileSync(path('values.json'), JSON.stringify({ shape: [5, 3], data: Array(15).fill(0.5) }))
    const words = ['quantities', network, '--input', `${golden}:input`, '--target', path('values.json')]
    const rest = ['--quantities', 'gradient', '--engine', 'reference', '--loss', 'mse']
    const mean = await documentOf<QuantitiesDocument>(...words, ...rest)
    const sum = await documentOf<QuantitiesDocument>(...words, ...rest, '--reduction', 'sum')
    expect([mean.normalizer, sum.normalizer]).toEqual([15, 1])
    expect((sum.loss as number) / (mean.loss as number)).toBeCloseTo(15, 10)
  })

  it('draws by the seed', async () => {
    const drawn = (seed: string): Promise<QuantitiesDocument> =>
      documentOf(...quantity('kfac,diag-ggn-mc'), '--seed', seed, '--mc-samples', '2')
    expect(await drawn('1')).toEqual(await drawn('1'))
    expect(await drawn('1')).not.toEqual(await drawn('2'))
  })

  it('says which quantities a model does not have, and computes the others', async () => {
    const words = ['quantities', `${branches}/model.onnx`, '--input', `${branches}/golden.json:input`]
    const rest = [
      '--target',
      `${branches}/golden.json:target`,
      '--loss',
      'cross-entropy',
      '--engine',
      'reference',
    ]
    const asked = ['--quantities', 'gradient,kfra,variance']
    const found = await documentOf<QuantitiesDocument>(...words, ...rest, ...asked)
    expect(Object.keys(found.quantities)).toEqual(['gradient', 'variance'])
    expect(found.unsupported).toEqual([
      { quantity: 'kfra', message: expect.stringContaining('KFLR') as string },
    ])
    const { stdout } = await run(...words, ...rest, ...asked)
    expect(stdout).toContain('not here: kfra, since')
  })

  it('knows quantities of plugins', async () => {
    const words = [...quantity('gradient-total,impossible'), '--plugin', pluginFile]
    const found = await documentOf<QuantitiesDocument>(...words)
    expect(found.quantities['gradient-total']).toMatchObject({ '0.bias': { shape: [] } })
    expect(found.unsupported).toMatchObject([{ quantity: 'impossible' }])
  })

  it('takes several inputs, and asks which of several outputs the loss looks at', async () => {
    const builder = modelBuilder({ opset: 17, name: 'two' })
    const a = builder.input('a', 'float32', ['N', 2])
    const b = builder.input('b', 'float32', ['N', 2])
    const weight = builder.initializer('float32', [2, 2], [1, 2, 3, 4], 'weight')
    const sum = builder.node('Add', [builder.node('MatMul', [a, weight]), b])
    builder.output('sum', 'float32', ['N', 2], sum)
    builder.output('twice', 'float32', ['N', 2], builder.node('Add', [sum, sum]))
    writeFileSync(path('two.onnx'), builder.finish())
    const ones = { shape: [3, 2], dtype: 'float32', data: new Float32Array(6).fill(1) } as const
    writeFileSync(path('ab.npz'), formatNpz({ a: ones, b: ones, y: ones }))
    const words = ['quantities', path('two.onnx'), '--target', `${path('ab.npz')}:y`, '--loss', 'mse']
    const rest = ['--quantities', 'gradient', '--engine', 'reference']
    const output = ['--output', 'twice']
    const together = await documentOf<QuantitiesDocument>(
      ...words,
      ...rest,
      ...output,
      '--input',
      path('ab.npz'),
    )
    // (2 · (1 + 3 + 1) − 1)² and (2 · (2 + 4 + 1) − 1)²
    expect(together.loss).toBe((81 + 169) / 2)
    const each = [...['--input', `a=${path('ab.npz')}:a`], ...['--input', `b=${path('ab.npz')}:b`]]
    expect(await documentOf<QuantitiesDocument>(...words, ...rest, ...output, ...each)).toEqual(together)
    expect(await run(...words, ...rest, ...each)).toMatchObject({
      status: 2,
      complaints: [
        expect.stringContaining('say with --output which one the loss looks at: sum, twice') as string,
      ],
    })
    expect(await run(...words, ...rest, ...output, '--input', `a=${path('ab.npz')}:a`)).toMatchObject({
      status: 2,
      complaints: [expect.stringContaining('--input gives nothing for "b"; the model takes a, b') as string],
    })
  })

  it('prints a table for people, and which engine it took', async () => {
    const { status, stdout } = await run(...batch.slice(0, -2), '--quantities', 'gradient')
    expect(status).toBe(0)
    expect(stdout).toContain('output [5, 3], terms divided by 5, on onnxruntime')
    expect(stdout).toMatch(/│ gradient +│ 0\.weight +│ \[5, 4\] +│ +0\.3418 │/)
  })
})

describe('what is wrong is one sentence', () => {
  const unknown = modelBuilder({ opset: 17, name: 'unknown' })
  unknown.output(
    'y',
    'float32',
    ['N'],
    unknown.node('NoSuchOperator', [unknown.input('x', 'float32', ['N'])]),
  )
  writeFileSync(path('unknown.onnx'), unknown.finish())
  writeFileSync(path('nan.json'), '{"shape": [1, 4], "data": [0, 1, "NaN", 2]}')
  writeFileSync(
    path('wide.json'),
    '{"shape": [5, 7], "data": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}',
  )
  writeFileSync(path('beyond.json'), '{"shape": [5], "data": [0, 1, 9, 0, 0]}')
  writeFileSync(path('halves.json'), '{"shape": [5], "data": [0, 1, 0.5, 0, 0]}')
  writeFileSync(path('few.json'), '{"shape": [2], "data": [0, 1]}')
  writeFileSync(path('deep.json'), '['.repeat(100_000))
  writeFileSync(path('big.json'), '{"shape": [4000000000, 4000000000], "data": []}')
  writeFileSync(path('empty.npz'), '')
  writeFileSync(path('proto.json'), '{"__proto__": {"input": 1}}')

  const changed = (name: string, value: string): readonly string[] => [...quantity('gradient'), name, value]

  it.each<readonly [number, readonly string[], string]>([
    [1, ['quantities', 'no.onnx', ...quantity('gradient').slice(2)], "no.onnx can't be read (ENOENT"],
    [1, ['quantities', golden, ...quantity('gradient').slice(2)], 'is no ONNX model'],
    [1, ['quantities', path('unknown.onnx'), ...quantity('gradient').slice(2)], 'NoSuchOperator of opset 17'],
    [1, changed('--input', 'no.npy'), 'readNpy: no.npy cannot be read (ENOENT'],
    [1, changed('--input', `${golden}:inptu`), 'there is no key "inptu"; there are: description, model'],
    [1, changed('--input', `${golden}:loss`), 'an array in JSON is {"shape"'],
    [2, changed('--input', golden), 'say which array is meant'],
    [2, changed('--input', 'x.txt'), 'arrays come from .npy, .npz'],
    [1, changed('--input', path('nan.json')), 'element 2 of the input "input" [1, 4] is NaN'],
    [1, changed('--input', path('wide.json')), '"input" can\'t be [5, 7]; it takes input [N, 4]'],
    [1, changed('--input', path('deep.json')), 'is not JSON'],
    [1, changed('--input', path('big.json')), 'does not go with 0 numbers'],
    [1, changed('--input', path('empty.npz')), 'have no directory at their end'],
    [1, changed('--input', `${path('proto.json')}:input`), 'there is no key "input"'],
    [1, changed('--target', path('beyond.json')), 'the target contains 9 at [2]'],
    [1, changed('--target', path('halves.json')), 'element 2 of the target [5] is 0.5'],
    [1, changed('--target', path('few.json')), 'crossEntropy'],
    [
      2,
      changed('--loss', 'hinge'),
      'there is no loss "hinge"; there are: cross-entropy, mse, bce-with-logits',
    ],
    [2, changed('--quantities', 'gradient,hessian'), 'there is no quantity "hessian"; there are: gradient'],
    [2, changed('--quantities', ','), '--quantities names none'],
    [2, changed('--output', 'logits'), 'the model has no output "logits"; there are: output'],
    [2, changed('--out', 'results.txt'), '--out results.txt: the extension says what is written'],
    [1, changed('--out', '/no/such/folder/results.json'), 'cannot be written'],
    [2, changed('--seed', '-1'), '"-1" is not an integer from zero on'],
    [2, changed('--engine', 'cuda'), "argument 'cuda' is invalid"],
    [2, changed('--kronecker-mode', 'full'), "argument 'full' is invalid"],
    [2, ['quantities', network], "required option '--input"],
    [2, ['quantities'], "required option '--input"],
    [2, ['qantities'], "unknown command 'qantities' (Did you mean quantities?)"],
    [2, [], 'name a command'],
  ])('exit status %i for %j', async (status, words, sentence) => {
    const ran = await run(...words)
    expect(ran.complaints).toEqual([expect.stringContaining(sentence)])
    expect(ran).toMatchObject({ status, stdout: '' })
  })
})
