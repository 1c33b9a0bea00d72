/** @file Losses by the names that the command line calls them, and the targets that they take. */
import { bceWithLogits, crossEntropy, mseLoss, type Plugin, type Reduction } from '@beyondgrad/autograd'
import {
  type AnyTensor,
  DataError,
  type DType,
  formatShape,
  isFloat,
  type NDArray,
  sameShape,
  type Shape,
  type Tensor,
} from '@beyondgrad/tensor'
import { asFloat, checkFinite } from './array-files.ts'
import { UsageError } from './usage-error.ts'

/** A loss that was asked for. */
export interface ChosenLoss {
  readonly name: string
  readonly of: (output: Tensor, target: AnyTensor) => Tensor
  /** An array as this loss takes it for an output of the given shape. */
  readonly target: (array: NDArray<DType>, output: Shape) => NDArray<DType>
  /** Shape and element type of the target that goes with an output; of a plugin's loss that is a guess. */
  readonly targetFor: <S extends number | string>(
    output: readonly S[],
  ) => { readonly shape: readonly S[]; readonly dtype: 'int32' | 'float32' }
}

/** The loss of a name; a plugin's may not have the name of another. */
export function lossNamed(name: string, reduction: Reduction, plugins: readonly Plugin[]): ChosenLoss {
  const options = { reduction }
  const known = new Map<string, ChosenLoss>(
    [
      ofClasses('cross-entropy', (output, target) => crossEntropy(output, target as Tensor, options)),
      ofValues('mse', (output, target) => mseLoss(output, target as Tensor, options)),
      ofValues('bce-with-logits', (output, target) => bceWithLogits(output, target as Tensor, options)),
    ].map((loss) => [loss.name, loss]),
  )
  for (const { name: by, losses } of plugins) {
    for (const [own, loss] of Object.entries(losses ?? {})) {
      if (known.has(own)) throw new UsageError(`--plugin ${by}: its loss "${own}" is taken already`)
      known.set(
        own,
        ofAnything(own, (output, target) => loss(output, target, options)),
      )
    }
  }
  const found = known.get(name)
  if (found === undefined) {
    throw new UsageError(`there is no loss "${name}"; there are: ${[...known.keys()].join(', ')}`)
  }
  return found
}

/** A target of class indices, or of probabilities in the shape of the output. */
function ofClasses(name: string, of: ChosenLoss['of']): ChosenLoss {
  return {
    name,
    of,
    target: (array, output) => {
      const isMass = isFloat(array.dtype) && sameShape(array.shape, output)
      return isMass ? checkFinite(asFloat(array), 'the target') : classIndices(name, array)
    },
    // PyTorch's order: samples, classes, positions.
    targetFor: (output) => ({ shape: output.filter((_, axis) => axis !== 1), dtype: 'int32' }),
  }
}

function ofValues(name: string, of: ChosenLoss['of']): ChosenLoss {
  return {
    name,
    of,
    target: (array) => checkFinite(asFloat(array), 'the target'),
    targetFor: (shape) => ({ shape, dtype: 'float32' }),
  }
}

function ofAnything(name: string, of: ChosenLoss['of']): ChosenLoss {
  return {
    name,
    of,
    target: (array) =>
      isFloat(array.dtype) ? checkFinite(asFloat(array), 'the target') : classIndices(name, array),
    targetFor: (shape) => ({ shape, dtype: 'float32' }),
  }
}

/** Whole numbers of 32 bits, however they are stored. */
function classIndices(name: string, { shape, dtype, data }: NDArray<DType>): NDArray<'int32'> {
  if (dtype === 'int32') return { shape, dtype, data: data as Int32Array }
  const indices = Int32Array.from(data as ArrayLike<number | bigint>, (value, i) => {
    const index = Number(value)
    if ((index | 0) === index) return index
    throw new DataError(
      `element ${i} of the target ${formatShape(shape)} is ${value}: ${name} takes class indices, or probabilities in the shape of the output`,
    )
  })
  return { shape, dtype: 'int32', data: indices }
}
