/** @file A function of tensors as an ONNX file that runs without us: with its parameters, its names and free axes. */
import { BeyondgradError, type DType } from '@beyondgrad/tensor'
import { type Freed, free } from './export/free.ts'
import { formatFormula, isConstant } from './export/formula.ts'
import { checkInputs, checkSizes, freeAxes, sized } from './export/inputs.ts'
import type { ExportArguments, ExportedValue, ExportInputs, ExportOptions } from './export/options.ts'
import type { Traceable } from './export/trace.ts'
import { writeFile } from './export/write.ts'

export type { ExportInput } from './export/inputs.ts'
export type { ExportArguments, ExportedValue, ExportInputs, ExportOptions } from './export/options.ts'

export interface ExportedFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Those of the function, then one for each source of random numbers, `random.<stream>`. */
  readonly inputs: readonly ExportedValue[]
  readonly outputs: readonly ExportedValue[]
  /** What is not as asked for, a sentence each: axes that could not be free, names that had to change. */
  readonly notes: readonly string[]
}

/**
 * Writes a function as an ONNX file of standard operators.
 *
 * Parameters become initializers under their names, with the values they have now. Outputs are named by their place in
 * what the function returns, joined with dots: `{ variance: … }` of a map by parameter gives `variance.0.weight`. Checks of
 * data, which `evaluate` does, are not in the file. Random numbers are inputs, to be filled by whoever runs the file.
 *
 * @param fn gets a tensor for each input and returns tensors in any nesting of objects, arrays and named maps
 * @throws BeyondgradError `value` for options and results that can't be written, and whatever `fn` throws
 */
export function exportOnnx<const I extends ExportInputs>(
  fn: (inputs: ExportArguments<I>) => object,
  options: ExportOptions<I>,
): ExportedFile {
  if (typeof fn !== 'function') {
    throw new BeyondgradError(
      'value',
      'exportOnnx: the first argument is no function; give one from inputs to an object of tensors',
    )
  }
  // Plain JavaScript may leave the options out.
  checkInputs((options as ExportOptions<I> | undefined)?.inputs)
  const { inputs, sizes = {}, name = 'graph' } = options
  const axes = freeAxes(inputs)
  checkSizes(sizes, axes)
  const fallback = new Map(axes.map((axis) => [axis.name, sizes[axis.name] ?? 1]))
  // The dtypes that the function expects are those of `inputs`.
  const traceable = fn as unknown as Traceable
  const found = free(traceable, (at) => sized(inputs, at), axes, fallback, name)
  const values = {
    inputs: [
      ...Object.entries(inputs).map(([key, { dtype = 'float32' }]) => exported(found, key, dtype)),
      ...found.trace.random.map((each) => exported(found, each.name, 'float32')),
    ],
    outputs: found.trace.outputs.map((output) => exported(found, output.name, output.dtype)),
  }
  const notes = [...found.notes, ...renamed(found)]
  const bytes = writeFile({ ...found, ...values, notes, options: { ...options, name } })
  return { bytes, ...values, notes }
}

function exported({ unified, axes }: Freed, name: string, dtype: DType): ExportedValue {
  const names = axes.map((axis) => axis.name)
  const shape = unified.shapes
    .get(name)!
    .map((size) => (isConstant(size) ? size.constant : formatFormula(size, names)))
  return { name, dtype, shape }
}

function renamed({ trace }: Freed): string[] {
  return trace.cells.flatMap(({ name, cell }) =>
    name === cell.name ? [] : `parameter "${cell.name}" is called "${name}", since its name was taken`,
  )
}
