/** @file `beyondgrad train`: the log, the data, the trained model. */
import { formatNpz, type NamedArrays, readNpz } from '@beyondgrad/io'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { InspectDocument } from '../src/inspect/inspect.ts'
import type { TrainDocument } from '../src/train/train.ts'
import { documentOf, network, pluginFile, run, scratch } from './fixtures.ts'

const path = scratch()

/** 60 points in three heaps, four numbers each. */
const data: NamedArrays = (() => {
  const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3)
  const points = Float32Array.from({ length: 240 }, (_, i) => {
    const [sample, axis] = [Math.floor(i / 4), i % 4]
    return (labels[sample] === axis ? 2 : 0) + Math.sin(7 * i) / 4
  })
  return {
    x: { shape: [60, 4], dtype: 'float32', data: points },
    y: { shape: [60], dtype: 'int32', data: labels },
  }
})()
writeFileSync(path('data.npz'), formatNpz(data))

let runs = 0
const nextLog = (): string => path(`run-${runs++}`)
const words = (log: string, rate = '0.2'): readonly string[] => [
  ...['train', network, '--data', path('data.npz'), '--loss', 'cross-entropy', '--lr', rate],
  ...['--engine', 'reference', '--log', log],
]

interface Line {
  readonly kind: string
  readonly step: number
  readonly time: number
  readonly quantities: { readonly Loss: number | string }
}

const linesOf = (log: string): Line[] =>
  readFileSync(`${log}/run.jsonl`, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
const lossesOf = (log: string): (number | string)[] =>
  linesOf(log)
    .slice(1)
    .map(({ quantities }) => quantities.Loss)

describe('beyondgrad train', () => {
  it('lowers the loss, and logs a header and a line for every step', async () => {
    const log = nextLog()
    const options = ['--batch-size', '20', '--epochs', '4']
    const found = await documentOf<TrainDocument>(...words(log), ...options)
    const [header, ...steps] = linesOf(log)
    expect(header).toMatchObject({
      kind: 'header',
      version: 1,
      model: network,
      loss: 'cross-entropy',
      engine: 'reference',
      optimizer: { name: 'sgd', lr: 0.2 },
      data: { samples: 60 },
      batchSize: 20,
      quantities: ['Loss'],
    })
    expect((header as unknown as { parameters: unknown[] }).parameters[0]).toEqual({
      name: '0.weight',
      shape: [5, 4],
    })
    expect(steps.map(({ step }) => step)).toEqual([...Array(12).keys()])
    expect(steps.every(({ kind }) => kind === 'step')).toBe(true)
    const times = steps.map(({ time }) => time)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(found).toEqual({
      engine: 'reference',
      samples: 60,
      steps: 12,
      loss: { first: steps[0]!.quantities.Loss, last: steps[11]!.quantities.Loss },
      log,
    })
    expect(found.loss.last).toBeLessThan((found.loss.first as number) * 0.7)
  })

  it('takes the samples by the seed, or in their order', async () => {
    const losses = async (...more: readonly string[]): Promise<(number | string)[]> => {
      const log = nextLog()
      expect((await run(...words(log), '--batch-size', '8', '--steps', '3', ...more)).status).toBe(0)
      return lossesOf(log)
    }
    const one = await losses('--seed', '1')
    expect(one).toHaveLength(3)
    expect(await losses('--seed', '1')).toEqual(one)
    expect(await losses('--seed', '2')).not.toEqual(one)
    expect(await losses('--no-shuffle', '--seed', '1')).toEqual(await losses('--no-shuffle', '--seed', '2'))
    expect(await losses('--steps', '20')).toHaveLength(20)
    expect(await losses('--steps', '20', '--epochs', '1')).toHaveLength(8)
  })

  it('logs instruments, and says at the end what they see', async () => {
    const log = nextLog()
    const watched = [
      '--cockpit',
      'business',
      '--curvature',
      'diag-ggn',
      '--instruments',
      'CABS,Alpha,BatchSize',
    ]
    const steps = ['--batch-size', '20', '--steps', '40', '--plugin', pluginFile]
    const healthy = await documentOf<TrainDocument>(...words(log), ...steps, ...watched)
    expect(healthy.findings).toEqual([])
    const [header, first] = linesOf(log)
    expect((header as unknown as { quantities: string[] }).quantities).toEqual(
      expect.arrayContaining(['Alpha', 'GradAgreement', 'HessTrace', 'CABS', 'BatchSize']),
    )
    expect(first!.quantities).toMatchObject({ BatchSize: 20 })

    const wild = nextLog()
    const { findings } = await documentOf<TrainDocument>(
      ...words(wild, '1e9'),
      ...steps,
      '--cockpit',
      'economy',
    )
    expect(findings![0]).toMatchObject({ severity: 'error', rule: 'diverged' })
    const { stdout } = await run(...words(nextLog(), '1e9'), ...steps, '--cockpit', 'economy')
    expect(stdout).toContain(`\nerror: ${findings![0]!.sentence}`)
  })

  it('tracks every n-th step', async () => {
    const log = nextLog()
    const few = ['--batch-size', '20', '--steps', '10', '--instruments', 'GradNorm', '--cockpit-every', '4']
    const { status, stdout } = await run(...words(log), ...few)
    expect(status).toBe(0)
    expect(stdout).toContain('no instrument has anything to say against it')
    expect(
      linesOf(log)
        .slice(1)
        .map(({ step }) => step),
    ).toEqual([0, 4, 8])
  })

  it.each(['sgd', 'adam', 'adamw', 'rmsprop'])('follows %s', async (optimizer) => {
    const log = nextLog()
    const found = await documentOf<TrainDocument>(
      ...words(log, '0.02'),
      '--optimizer',
      optimizer,
      '--epochs',
      '10',
    )
    expect(found.loss.last).toBeLessThan(found.loss.first as number)
  })

  it('writes the trained model under the same names, and its parameters', async () => {
    const log = nextLog()
    const options = ['--epochs', '5', '--batch-size', '60', '--out', path('trained.onnx')]
    const { loss } = await documentOf<TrainDocument>(...words(log), ...options)
    const [before, after] = [
      await documentOf<InspectDocument>('inspect', network),
      await documentOf<InspectDocument>('inspect', path('trained.onnx')),
    ]
    const values = ({ inputs, outputs, parameters }: InspectDocument): unknown => [
      inputs,
      outputs.map(({ name }) => name),
      parameters.map(({ name, shape }) => [name, shape]).sort(),
    ]
    expect(values(after)).toEqual(values(before))
    // Going on with it, the first loss is lower than the last one before.
    const again = ['train', path('trained.onnx'), ...words(nextLog()).slice(2)]
    const further = await documentOf<TrainDocument>(
      ...again,
      '--batch-size',
      '60',
      '--out',
      path('further.npz'),
    )
    expect(further.loss.first).toBeLessThan(loss.last as number)
    expect(Object.keys(await readNpz(path('further.npz'))).sort()).toEqual(
      before.parameters.map(({ name }) => name).sort(),
    )
  })

  it('takes JSON, and folders of IDX files', async () => {
    const json = Object.fromEntries(
      Object.entries(data).map(([name, { shape, data: numbers }]) => [
        name,
        { shape, data: [...numbers].map(Number) },
      ]),
    )
    writeFileSync(path('data.json'), JSON.stringify(json))
    const [fromNpz, fromJson] = [nextLog(), nextLog()]
    await run(...words(fromNpz))
    await run(...words(fromJson), '--data', path('data.json'))
    const given = lossesOf(fromNpz)
    expect(lossesOf(fromJson)).toEqual(given)

    const folder = path('idx')
    mkdirSync(folder)
    // Images of 2 × 2 bytes for a network that takes four numbers.
    const images = [
      0,
      0,
      8,
      3,
      0,
      0,
      0,
      6,
      0,
      0,
      0,
      2,
      0,
      0,
      0,
      2,
      ...Array.from({ length: 24 }, (_, i) => 10 * i),
    ]
    const labels = [0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2]
    writeFileSync(`${folder}/train-images-idx3-ubyte.gz`, gzipSync(Uint8Array.from(images)))
    writeFileSync(`${folder}/train-labels-idx1-ubyte`, Uint8Array.from(labels))
    writeFileSync(`${folder}/t10k-images-idx3-ubyte`, '')
    const scaled = {
      x: { shape: [6, 4], data: images.slice(16).map((byte) => byte / 255) },
      y: { shape: [6], data: labels.slice(8) },
    }
    writeFileSync(path('scaled.json'), JSON.stringify(scaled))
    const [fromIdx, fromNumbers] = [nextLog(), nextLog()]
    expect((await run(...words(fromIdx), '--data', folder)).complaints).toEqual([])
    await run(...words(fromNumbers), '--data', path('scaled.json'))
    expect(lossesOf(fromIdx)[0]).toBeCloseTo(lossesOf(fromNumbers)[0] as number, 6)
  })

  it('logs a loss that is no number by its name, and says so', async () => {
    const log = nextLog()
    const { status, complaints } = await run(
      ...words(log, '1e30'),
      '--epochs',
      '3',
      '--engine',
      'onnxruntime',
    )
    expect(status).toBe(0)
    expect(complaints).toEqual([
      expect.stringMatching(/the loss is (NaN|Infinity) from step \d+ on: lower --lr/),
    ])
    expect(lossesOf(log).some((loss) => typeof loss === 'string')).toBe(true)
  })

  it('never writes into the log of another run', async () => {
    const log = nextLog()
    await run(...words(log))
    const before = readFileSync(`${log}/run.jsonl`, 'utf8')
    expect(await run(...words(log))).toMatchObject({
      status: 1,
      complaints: [expect.stringContaining('there is a run in it already: choose another folder')],
    })
    expect(readFileSync(`${log}/run.jsonl`, 'utf8')).toBe(before)
  })

  writeFileSync(path('only-x.npz'), formatNpz({ x: data.x! }))
  writeFileSync(
    path('uneven.npz'),
    formatNpz({ x: data.x!, y: { shape: [2], dtype: 'int32', data: Int32Array.of(0, 1) } }),
  )
  writeFileSync(
    path('nan.npz'),
    formatNpz({ ...data, x: { ...data.x!, data: new Float32Array(240).fill(NaN) } }),
  )
  writeFileSync(
    path('labels.npz'),
    formatNpz({ ...data, y: { ...data.y!, data: new Int32Array(60).fill(3) } }),
  )
  mkdirSync(path('bare'))

  it.each<readonly [number, readonly string[], string]>([
    [1, ['--data', path('only-x.npz')], 'there must be arrays x and y, and y is missing'],
    [1, ['--data', path('uneven.npz')], 'x [60, 4] and y [2] must have the same number of samples'],
    [1, ['--data', path('nan.npz')], 'element 0 of the input "input" [60, 4] is NaN'],
    [1, ['--data', path('labels.npz')], 'the target contains 3 at [0]'],
    [1, ['--data', path('bare')], 'there must be one IDX file for images or inputs'],
    [1, ['--data', 'no.npz'], 'no.npz cannot be read'],
    [1, ['--loss', 'mse'], 'mseLoss: output and target must have the same shape'],
    [2, ['--lr', '0'], '"0" is not a positive number'],
    [2, ['--optimizer', 'lbfgs'], "argument 'lbfgs' is invalid"],
    [2, ['--optimizer', 'adam', '--momentum', '0.9'], '--momentum is for sgd and rmsprop'],
    [2, ['--out', 'x.pt'], 'the extension says what is written'],
    [2, ['--cockpit', 'all'], "argument 'all' is invalid. Allowed choices are economy, business, full"],
    [2, ['--instruments', 'Alpha,Speed'], 'there is no instrument "Speed", but Alpha, CABS,'],
    [2, ['--cockpit-every', '0'], '"0" is not a positive integer'],
    [1, ['--log', `${network}/run`], 'cannot be written (ENOTDIR'],
  ])('exit status %i for %j', async (status, more, sentence) => {
    const log = nextLog()
    const ran = await run(...words(log), ...more)
    expect(ran.complaints).toEqual([expect.stringContaining(sentence)])
    expect(ran).toMatchObject({ status, stdout: '' })
    // The next try may have the same folder.
    expect(existsSync(`${log}/run.jsonl`)).toBe(false)
  })
})
