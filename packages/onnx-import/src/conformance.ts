/**
 * @file Runs cases of ONNX's backend tests: folders with a model, inputs, and the outputs that it must have. Who calls this
 * reads the files, so that it works wherever there are any.
 */
import { parseTensor, type StoredTensor } from '@beyondgrad/onnx'
import {
  type AnyTensor,
  BeyondgradError,
  constantOf,
  type DType,
  type Engine,
  evaluate,
  formatShape,
  type NDArray,
  sameShape,
  tensor,
} from '@beyondgrad/tensor'
import { OnnxImportError, reasonOf } from './import-error.ts'
import { importOnnx } from './import-onnx.ts'
import type { ImportedModel, ModelOutput } from './model.ts'
import type { OnnxOperator } from './operator.ts'

/** One case, read. */
export interface ConformanceCase {
  /** `suite/case`. */
  readonly name: string
  readonly model: Uint8Array | URL | { readonly path: string }
  /** The bytes of the inputs' files, in order. */
  readonly inputs: readonly Uint8Array[]
  readonly outputs: readonly Uint8Array[]
}

export interface ConformanceResult {
  readonly name: string
  /** `unsupported`: refused at import. `failed`: other numbers. `error`: it could not be run. */
  readonly status: 'passed' | 'failed' | 'unsupported' | 'error'
  /** The operators of the model. Empty if it could not be read. */
  readonly operators: readonly string[]
  readonly message?: string
}

export interface ConformanceOptions {
  readonly engine?: Engine
  /** For `importOnnx`. */
  readonly operators?: readonly OnnxOperator[]
  /** Default: 1e-3, as ONNX's own runner has it. */
  readonly rtol?: number
  /** Default: 1e-7. */
  readonly atol?: number
}

/** Runs one case. It throws nothing: whatever goes wrong is a result. */
export async function runConformanceCase(
  given: ConformanceCase,
  options: ConformanceOptions = {},
): Promise<ConformanceResult> {
  const { name } = given
  let operators: string[] = []
  try {
    const model = await importOnnx<ModelOutput>(given.model, {
      trainable: 'none',
      ...(options.operators && { operators: options.operators }),
    })
    operators = [...model.operators]
    const message = await difference(model, given, options)
    return message === undefined
      ? { name, status: 'passed', operators }
      : { name, status: 'failed', operators, message }
  } catch (error) {
    if (error instanceof OnnxImportError) {
      const missing = error.problems.flatMap(({ operator }) => operator ?? [])
      const status = error.code === 'unsupported' ? 'unsupported' : 'error'
      return { name, status, operators: [...new Set([...operators, ...missing])], message: error.message }
    }
    const status = error instanceof BeyondgradError && error.code === 'unsupported' ? 'unsupported' : 'error'
    return { name, status, operators, message: reasonOf(error) }
  }
}

/** What differs from the expected outputs; undefined if nothing does. */
async function difference(
  model: ImportedModel<ModelOutput>,
  { inputs, outputs }: ConformanceCase,
  { engine, rtol = 1e-3, atol = 1e-7 }: ConformanceOptions,
): Promise<string | undefined> {
  const given = model.inputs.slice(0, inputs.length).map(({ name }, i) => {
    const stored = parseTensor(inputs[i]!)
    return [name, inputOf(stored, model.known.has(name))] as const
  })
  const results = Object.values(model.all(Object.fromEntries(given)))
  const values = await evaluate(results, engine ? { engine } : {})
  for (const [i, bytes] of outputs.entries()) {
    const wanted = parseTensor(bytes)
    const found = values[i]
    const { name } = model.outputs[i]!
    if (found === undefined) return `there is no output "${name}"`
    const message = compared(found, wanted, rtol, atol)
    if (message !== undefined) return `output "${name}": ${message}`
  }
  return undefined
}

/** Inputs that decide about shapes are constants: they are known while the expression is built. */
function inputOf({ shape, dtype, data }: StoredTensor, known: boolean): AnyTensor {
  const of: DType = dtype === 'float64' ? 'float32' : dtype
  return known ? constantOf(data, shape, of) : tensor({ shape, dtype: of, data } as NDArray)
}

function compared(
  found: NDArray<DType>,
  wanted: StoredTensor,
  rtol: number,
  atol: number,
): string | undefined {
  if (!sameShape(found.shape, wanted.shape)) {
    return `the shape is ${formatShape(found.shape)} instead of ${formatShape(wanted.shape)}`
  }
  const kind = (dtype: DType): string => (dtype === 'float64' ? 'float32' : dtype)
  if (kind(found.dtype) !== kind(wanted.dtype))
    return `the dtype is ${found.dtype} instead of ${wanted.dtype}`
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [Number(found.data[i]), Number(wanted.data[i])]
    if (Object.is(a, b) || a === b || Math.abs(a - b) <= atol + rtol * Math.abs(b)) continue
    return `element ${i} of ${formatShape(wanted.shape)} is ${a} instead of ${b}`
  }
  return undefined
}
