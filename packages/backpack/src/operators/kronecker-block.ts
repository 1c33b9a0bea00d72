/** @file One parameter's block of Kronecker-factored curvature: B ⊗ A in every group, or Q (Λ + δ) Qᵀ in the basis of B ⊗ A. */
import { BeyondgradError } from '@beyondgrad/tensor'
import {
  diagonalMatrix,
  type Eigenbasis,
  multiply,
  type SymmetricMatrix,
  transposed,
} from './symmetric-matrix.ts'

/** A symmetric block, in the order of the parameter's entries. */
export interface Block {
  readonly size: number
  times(vector: Float64Array): Float64Array
  diagonal(): Float64Array
  trace(): number
  logdet(): number
  inverse(): Block
  /** The block + δ I. */
  damped(delta: number): Block
  scaled(factor: number): Block
}

/** A block of Kronecker factors; its inverse has factors, too. */
export interface KroneckerBlock extends Block {
  /** (B + √δ/π I) ⊗ (A + π√δ I), π² = (tr A / I) / (tr B / O); B + δ I where there is no A. */
  factorDamped(delta: number): KroneckerBlock
  inverse(): KroneckerBlock
  scaled(factor: number): KroneckerBlock
}

/** The factors of one group; without an input the block is `output` itself. */
export interface FactorPair {
  readonly output: SymmetricMatrix
  readonly input: SymmetricMatrix | undefined
}

/** Which row of the factors, group by group, every entry of the parameter is; undefined: that of its own number. */
export type Placement = Int32Array | undefined

const one = /* @__PURE__ */ diagonalMatrix(Float64Array.of(1), 'one')
const inputOf = ({ input }: FactorPair): SymmetricMatrix => input ?? one
const traceOf = ({ diagonal }: SymmetricMatrix): number => diagonal.reduce((a, b) => a + b, 0)
const sizeOfPair = (pair: FactorPair): number => pair.output.size * inputOf(pair).size

const toFactors = (x: Float64Array, placement: Placement): Float64Array => {
  if (placement === undefined) return x
  const result = new Float64Array(x.length)
  placement.forEach((row, entry) => (result[row] = x[entry]!))
  return result
}
const toParameter = (x: Float64Array, placement: Placement): Float64Array =>
  placement === undefined ? x : Float64Array.from(placement, (row) => x[row]!)

/** Each group by itself, one after the other. */
function byGroup<T>(
  groups: readonly T[],
  sizes: readonly number[],
  each: (group: T, from: number, to: number) => Float64Array,
): Float64Array {
  const result = new Float64Array(sizes.reduce((a, b) => a + b, 0))
  let from = 0
  groups.forEach((group, g) => {
    const to = from + sizes[g]!
    result.set(each(group, from, to), from)
    from = to
  })
  return result
}

export function kroneckerBlock(groups: readonly FactorPair[], placement: Placement): KroneckerBlock {
  const sizes = groups.map(sizeOfPair)
  const changed = (change: (pair: FactorPair) => FactorPair): KroneckerBlock =>
    kroneckerBlock(groups.map(change), placement)
  return {
    size: sizes.reduce((a, b) => a + b, 0),
    times: (vector) => {
      const x = toFactors(vector, placement)
      // (B ⊗ A) vec(X) = vec(B X A), A being symmetric.
      const product = byGroup(groups, sizes, (pair, from, to) =>
        inputOf(pair).right(pair.output.left(x.subarray(from, to), inputOf(pair).size), pair.output.size),
      )
      return toParameter(product, placement)
    },
    diagonal: () =>
      toParameter(
        byGroup(groups, sizes, (pair) => {
          const { diagonal } = inputOf(pair)
          return Float64Array.from({ length: sizeOfPair(pair) }, (_, at) => {
            const [row, column] = [Math.floor(at / diagonal.length), at % diagonal.length]
            return pair.output.diagonal[row]! * diagonal[column]!
          })
        }),
        placement,
      ),
    trace: () => groups.reduce((sum, pair) => sum + traceOf(pair.output) * traceOf(inputOf(pair)), 0),
    logdet: () =>
      groups.reduce((sum, pair) => {
        const input = inputOf(pair)
        return sum + input.size * pair.output.logdet() + pair.output.size * input.logdet()
      }, 0),
    inverse: () => changed(({ output, input }) => ({ output: output.inverse(), input: input?.inverse() })),
    factorDamped: (delta) =>
      changed((pair) => {
        const { output, input } = pair
        if (input === undefined) return { output: output.damped(delta), input }
        const [a, b] = [traceOf(input) / input.size, traceOf(output) / output.size]
        // Of a factor that is zero there is no right balance.
        const pi = a > 0 && b > 0 ? Math.sqrt(a / b) : 1
        const root = Math.sqrt(delta)
        return { output: output.damped(root / pi), input: input.damped(pi * root) }
      }),
    damped: (delta) =>
      spectralBlock(
        groups.map((pair) => {
          const [output, input] = [pair.output.eigenbasis(), inputOf(pair).eigenbasis()]
          const values = new Float64Array(sizeOfPair(pair))
          output.values.forEach((b, row) =>
            input.values.forEach((a, column) => (values[row * input.values.length + column] = b * a + delta)),
          )
          return {
            output: basisOf(output, pair.output.size),
            input: basisOf(input, inputOf(pair).size),
            rows: pair.output.size,
            values,
          }
        }),
        placement,
      ),
    scaled: (factor) => changed(({ output, input }) => ({ output: output.scaled(factor), input })),
  }
}

/** Q and Qᵀ: both are needed at every product. */
interface Basis {
  readonly vectors: Float64Array
  readonly transposed: Float64Array
}

const basisOf = ({ vectors }: Eigenbasis, size: number): Basis | undefined =>
  vectors && { vectors, transposed: transposed(vectors, size, size) }

/** Q Λ Qᵀ with Q = Q_B ⊗ Q_A; a basis that is undefined is the identity. */
interface SpectralGroup {
  readonly output: Basis | undefined
  readonly input: Basis | undefined
  /** O. */
  readonly rows: number
  /** Λ [O, I]. */
  readonly values: Float64Array
}

function spectralBlock(groups: readonly SpectralGroup[], placement: Placement): Block {
  const sizes = groups.map(({ values }) => values.length)
  const changed = (change: (value: number) => number): Block =>
    spectralBlock(
      groups.map((group) => ({ ...group, values: group.values.map(change) })),
      placement,
    )
  const demandPositive = (what: string): void => {
    const smallest = groups.reduce(
      (least, { values }) => values.reduce((a, b) => Math.min(a, b), least),
      Infinity,
    )
    if (smallest > 0) return
    throw new BeyondgradError(
      'no-solution',
      `${what}: a block has the eigenvalue ${smallest} and is not positive definite; use more damping`,
    )
  }
  /** Left x right for x [O, I], where they are not the identity. */
  const between = (
    left: Float64Array | undefined,
    x: Float64Array,
    right: Float64Array | undefined,
    rows: number,
  ): Float64Array => {
    const columns = rows === 0 ? 0 : x.length / rows
    const half = left === undefined ? x : multiply(left, x, rows, rows, columns)
    return right === undefined ? half : multiply(half, right, rows, columns, columns)
  }
  const squared = (q: Float64Array | undefined): Float64Array | undefined => q?.map((value) => value * value)
  return {
    size: sizes.reduce((a, b) => a + b, 0),
    times: (vector) => {
      const x = toFactors(vector, placement)
      const product = byGroup(groups, sizes, ({ output, input, rows, values }, from, to) => {
        const inBasis = between(output?.transposed, x.subarray(from, to), input?.vectors, rows)
        const stretched = inBasis.map((value, at) => value * values[at]!)
        return between(output?.vectors, stretched, input?.transposed, rows)
      })
      return toParameter(product, placement)
    },
    diagonal: () =>
      toParameter(
        byGroup(groups, sizes, ({ output, input, rows, values }) =>
          between(squared(output?.vectors), values, squared(input?.transposed), rows),
        ),
        placement,
      ),
    trace: () => groups.reduce((sum, { values }) => values.reduce((a, b) => a + b, sum), 0),
    logdet: () => {
      demandPositive('logdet')
      return groups.reduce((sum, { values }) => values.reduce((a, b) => a + Math.log(b), sum), 0)
    },
    inverse: () => {
      demandPositive('inverse')
      return changed((value) => 1 / value)
    },
    damped: (delta) => changed((value) => value + delta),
    scaled: (factor) => changed((value) => value * factor),
  }
}
