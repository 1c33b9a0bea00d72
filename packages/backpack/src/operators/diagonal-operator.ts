/** @file Diagonal matrices as operators. */
import { BeyondgradError, type NamedMap } from '@beyondgrad/tensor'
import { defineLinearOperator, type LinearOperator, type ProductOptions } from './linear-operator.ts'
import { type Part, type PartValues, type VectorLayout, vectorLayout } from './vector-layout.ts'
import { isFiniteVector } from './vectors.ts'

/**
 * The diagonal matrix with these entries on its diagonal: an evaluated quantity, such as that of `DiagGGN()`, or a flat vector. Trace,
 * inverse and logdet are exact. Throws `data` for entries that are not finite.
 */
export function DiagonalOperator(
  diagonal: NamedMap<Part, Exclude<PartValues, ArrayLike<number>>> | ArrayLike<number>,
): LinearOperator {
  if (!('~map' in diagonal)) return diagonalOperator(Float64Array.from(diagonal), undefined)
  const layout = vectorLayout(
    [...diagonal].map(([part, { shape }]) => (shape === undefined ? part : { ...identified(part), shape })),
  )
  return diagonalOperator(layout.flatten(diagonal), layout)
}

const identified = ({ name, identity }: Part): Pick<Part, 'name' | 'identity'> => ({
  name,
  ...(identity && { identity }),
})

function diagonalOperator(entries: Float64Array, layout: VectorLayout | undefined): LinearOperator {
  if (!isFiniteVector(entries)) {
    const at = entries.findIndex((value) => !Number.isFinite(value))
    throw new BeyondgradError('data', `DiagonalOperator: entry ${at} is ${entries[at]}`)
  }
  const product = (vector: Float64Array): Float64Array => vector.map((value, i) => value * entries[i]!)
  const wrapped = (changed: Float64Array): LinearOperator => diagonalOperator(changed, layout)
  return defineLinearOperator({
    name: 'DiagonalOperator',
    shape: [entries.length, entries.length],
    layout,
    symmetric: true,
    matvec: product,
    known: {
      diagonal: () => Promise.resolve(entries.slice()),
      trace: () => Promise.resolve(entries.reduce((a, b) => a + b, 0)),
      logdet: (_options?: ProductOptions) => Promise.resolve().then(() => logOf(entries)),
      inverse: () => {
        const zero = entries.indexOf(0)
        if (zero === -1) return wrapped(entries.map((value) => 1 / value))
        throw new BeyondgradError(
          'no-solution',
          `inverse: entry ${zero} of the diagonal is 0; add to all of them with damped()`,
        )
      },
      damped: (delta) => wrapped(entries.map((value) => value + delta)),
      scaled: (factor) => wrapped(entries.map((value) => value * factor)),
    },
  })
}

function logOf(entries: Float64Array): number {
  let total = 0
  entries.forEach((value, i) => {
    if (!(value > 0)) {
      throw new BeyondgradError(
        'no-solution',
        `logdet: entry ${i} of the diagonal is ${value}, so that the matrix is not positive definite; add to all of them with damped()`,
      )
    }
    total += Math.log(value)
  })
  return total
}
