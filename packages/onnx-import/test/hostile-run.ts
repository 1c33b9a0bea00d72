/** @file What is done with a file that may be anything: it is imported, called, and run if that costs little. */
import {
  type AnyTensor,
  BeyondgradError,
  constantOf,
  type DType,
  type HostArray,
  evaluate,
  liveBytes,
  referenceEngine,
  tensor,
  workOf,
} from '@beyondgrad/tensor'
import { importOnnx, type ImportedModel, type ModelOutput, OnnxImportError } from '../src/index.ts'

const engine = referenceEngine({ warn: () => undefined })

/** What became of a file: `ran`, `too big to run`, or where it was refused and as what. */
export async function outcomeOf(bytes: Uint8Array): Promise<string> {
  let model: ImportedModel<ModelOutput>
  try {
    model = await importOnnx<ModelOutput>(bytes)
  } catch (error) {
    if (error instanceof OnnxImportError) {
      return `import refused: ${[...new Set(error.problems.map(({ kind }) => kind))].sort().join(', ')}`
    }
    throw error
  }
  let step = 'call'
  try {
    const inputs = model.inputs.map(({ name, dtype, shape }) => zeros(dtype, shape, model.known.has(name)))
    const outputs = Object.values(model.all(...inputs))
    if (costs(outputs)) return 'too big to run'
    step = 'run'
    await evaluate(outputs, { engine })
    return 'ran'
  } catch (error) {
    if (error instanceof BeyondgradError) return `${step} refused: ${error.code}`
    throw error
  }
}

const mostWork = 2e7
const mostBytes = 2 ** 25

function costs(outputs: readonly AnyTensor[]): boolean {
  const graph = { inputs: [], outputs }
  return liveBytes(graph) > mostBytes || workOf(graph) > mostWork
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
}

function zeros(dtype: DType | undefined, shape: readonly unknown[] = [], known: boolean): AnyTensor {
  const sizes = shape.map((size) => (typeof size === 'number' && size < 300 ? size : 2))
  const count = sizes.reduce((product, size) => product * size, 1)
  const small = count <= 2 ** 20 ? sizes : sizes.map(() => 1)
  const type = dtype === undefined || dtype === 'float64' ? 'float32' : dtype
  const data: HostArray = new arrays[type](small.reduce((product, size) => product * size, 1))
  return known ? constantOf(data, small, type) : tensor({ shape: small, dtype: type, data } as never)
}
