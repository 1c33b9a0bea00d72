/** @file Kronecker-factored curvature as an operator: a block B ⊗ A for each parameter, all of it on the host. */
import {
  type Columns,
  defineExtension,
  type Extension,
  type Flow,
  type KroneckerFactors,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  BeyondgradError,
  cast,
  formatShape,
  iota,
  type NamedMap,
  type NDArray,
  reshape,
  sizeOf,
  type Tensor,
} from '@beyondgrad/tensor'
import {
  type Block,
  type FactorPair,
  type KroneckerBlock,
  kroneckerBlock,
  type Placement,
} from './kronecker-block.ts'
import { defineLinearOperator, type KnownStructure, type LinearOperator } from './linear-operator.ts'
import { denseMatrix, diagonalMatrix, type SymmetricMatrix } from './symmetric-matrix.ts'
import { type Part, type PlacedPart, type VectorLayout, vectorLayout } from './vector-layout.ts'
import { isFiniteVector } from './vectors.ts'

/** Kronecker factors, and where the entries of the parameter are in B ⊗ A. */
export interface PlacedKroneckerFactors extends KroneckerFactors {
  /** Which row of B ⊗ A each entry is, group by group: [...parameter.shape]. */
  readonly rows: Tensor
}

/**
 * The factors of `KFAC(…)` or `KFLR(…)` together with their placement, for `KroneckerOperator`. Needed for weights that are not laid out
 * [out, ...in], such as a matrix that is multiplied from the right, or a transposed convolution.
 */
export function PlacedFactors(
  factors: Extension<ParameterMap<KroneckerFactors>>,
): Extension<ParameterMap<PlacedKroneckerFactors>> {
  return defineExtension({
    name: `placed ${factors.name}`,
    needs: { factors },
    // The flow of the factors themselves, so that its sweep is shared.
    flow: factors['~spec'].flow as Flow<Columns>,
    parameter: ({ contribution, parameter, needs }): PlacedKroneckerFactors => {
      if (typeof (contribution as Partial<Columns>).placeKronecker !== 'function') {
        throw new BeyondgradError(
          'unsupported',
          `PlacedFactors: "${factors.name}" does not tell where the entries of a parameter are in its factors; use KFAC() or KFLR()`,
        )
      }
      const own = needs.factors.get(parameter)
      const { output, input } = own
      const lead = output.shape.length === 3 ? output.shape[0]! : 1
      const size =
        input === undefined ? [output.shape.at(-1)!] : [lead, output.shape.at(-1)!, input.shape.at(-1)!]
      const numbers = cast(reshape(iota(sizeOf(size)), size), 'float32')
      return { ...own, rows: contribution.placeKronecker(numbers, 0) }
    },
  })
}

/** Evaluated factors of one parameter. */
export interface KroneckerArrays {
  /** B: [O, O], or [G, O, O]. */
  readonly output: NDArray
  /** A: [I, I] or [G, I, I], or the diagonal [rows] for a table that is read by index. */
  readonly input?: NDArray
  /** Of `PlacedFactors`; left out, the parameter is [out, ...in], row-major, or [rows, width] of a table. */
  readonly rows?: NDArray
}

/** Blocks B ⊗ A, with all that is exact about them. */
export interface KroneckerOperator extends LinearOperator {
  readonly layout: VectorLayout
  /**
   * Both factors damped instead of the block: (B + √δ/π I) ⊗ (A + π√δ I), π² = (tr A / I) / (tr B / O), which stays a product that is
   * cheap to invert. `damped` is the block + δ I itself, by eigenvectors of the factors.
   *
   * Source: Martens and Grosse, "Optimizing neural networks with Kronecker-factored approximate curvature", ICML 2015, Section 6.3.
   */
  factorDamped(delta: number): KroneckerOperator
}

/**
 * The operator of evaluated Kronecker factors: `(await evaluate(backward(loss, { kfac: PlacedFactors(KFAC()) }))).kfac`. Products, diagonal,
 * trace, inverse and logdet are exact, computed on the host in double precision.
 *
 * Throws `shape` where factors and parameter do not fit, `data` for factors that are not finite, `value` for a placement that is none.
 */
export function KroneckerOperator(factors: NamedMap<Part, KroneckerArrays>): KroneckerOperator {
  const list = [...factors]
  const layout = vectorLayout(list.map(([part]) => part))
  const blocks = list.map(([part, arrays]) => blockOf(part, arrays))
  return ofFactors(layout, blocks)
}

function ofFactors(layout: VectorLayout, blocks: readonly KroneckerBlock[]): KroneckerOperator {
  return {
    ...ofBlocks('KroneckerOperator', layout, blocks),
    layout,
    factorDamped: (delta) => {
      demandDamping(delta)
      return ofFactors(
        layout,
        blocks.map((block) => block.factorDamped(delta)),
      )
    },
  }
}

function ofBlocks(name: string, layout: VectorLayout, blocks: readonly Block[]): LinearOperator {
  const each = (of: (block: Block, at: PlacedPart) => Float64Array): Float64Array => {
    const whole = new Float64Array(layout.size)
    blocks.forEach((block, i) => whole.set(of(block, layout.parts[i]!), layout.parts[i]!.from))
    return whole
  }
  const total = (of: (block: Block) => number): number => blocks.reduce((sum, block) => sum + of(block), 0)
  const changed = (suffix: string, change: (block: Block) => Block): LinearOperator =>
    ofBlocks(`${name}${suffix}`, layout, blocks.map(change))
  // In a promise, so that what throws rejects.
  const soon = <T>(compute: () => T): Promise<T> => Promise.resolve().then(compute)
  const known: KnownStructure = {
    diagonal: () => soon(() => each((block) => block.diagonal())),
    trace: () => soon(() => total((block) => block.trace())),
    logdet: () => soon(() => total((block) => block.logdet())),
    inverse: () => changed(', inverted', (block) => block.inverse()),
    damped: (delta) => {
      if (!Number.isFinite(delta)) {
        throw new BeyondgradError('value', `damped: takes a finite number, not ${delta}`)
      }
      return changed(` + ${delta} I`, (block) => block.damped(delta))
    },
    scaled: (factor) => {
      if (!Number.isFinite(factor)) {
        throw new BeyondgradError('value', `scale: takes a finite number, not ${factor}`)
      }
      return changed(` · ${factor}`, (block) => block.scaled(factor))
    },
  }
  return defineLinearOperator({
    name,
    layout,
    symmetric: true,
    matvec: (vector) => each((block, { from, size }) => block.times(vector.subarray(from, from + size))),
    known,
  })
}

function demandDamping(delta: number): void {
  if (delta >= 0 && delta < Infinity) return
  throw new BeyondgradError(
    'value',
    `factorDamped: takes a finite number of at least 0, whose root each factor gets, not ${delta}`,
  )
}

function blockOf(part: Part, { output, input, rows }: KroneckerArrays): KroneckerBlock {
  const { name, shape } = part
  const what = `parameter "${name}"`
  for (const factor of [output, input]) {
    if (factor === undefined || isFiniteVector(factor.data)) continue
    throw new BeyondgradError(
      'data',
      `KroneckerOperator: a factor of ${what} has entries that are not finite; check the data and the loss`,
    )
  }
  const left = groupsOf(output, what)
  const isTable = input?.shape.length === 1
  const right = isTable
    ? [diagonalMatrix(Float64Array.from(input.data), what)]
    : input && groupsOf(input, what)
  const pairs = left.map((matrix, g): FactorPair => ({ output: matrix, input: right?.[g] }))
  const block = kroneckerBlock(pairs, placementOf(part, pairs, isTable, rows))
  if (block.size !== sizeOf(shape) || (right !== undefined && right.length !== left.length)) {
    throw new BeyondgradError(
      'shape',
      `KroneckerOperator: ${what} has shape ${formatShape(shape)}, its factors ${formatShape(output.shape)} and ${formatShape(input?.shape ?? [])}`,
    )
  }
  return block
}

function groupsOf({ shape, data }: NDArray, what: string): SymmetricMatrix[] {
  const size = shape.at(-1)
  if ((shape.length !== 2 && shape.length !== 3) || shape.at(-2) !== size) {
    throw new BeyondgradError(
      'shape',
      `KroneckerOperator: a factor of ${what} has shape ${formatShape(shape)}, and should be [size, size] or [groups, size, size]`,
    )
  }
  const groups = shape.length === 3 ? shape[0]! : 1
  const all = Float64Array.from(data)
  const each = size! * size!
  return Array.from({ length: groups }, (_, g) =>
    denseMatrix(all.slice(g * each, (g + 1) * each), size!, what),
  )
}

function placementOf(
  { name, shape }: Part,
  pairs: readonly FactorPair[],
  isTable: boolean,
  rows: NDArray | undefined,
): Placement {
  const size = sizeOf(shape)
  const [{ output, input }] = pairs as readonly [FactorPair]
  if (rows !== undefined) return placementIn(rows.data, size, name)
  // A table [rows, width] is read by index: its factors are [width, width] and the rows'.
  if (isTable)
    return Int32Array.from(
      { length: size },
      (_, at) => (at % output.size) * input!.size + Math.floor(at / output.size),
    )
  if (
    input === undefined ||
    (shape[0] === output.size * pairs.length && sizeOf(shape.slice(1)) === input.size)
  ) {
    return undefined
  }
  throw new BeyondgradError(
    'shape',
    `KroneckerOperator: parameter "${name}" of shape ${formatShape(shape)} is not laid out [out, ...in] with ${output.size * pairs.length} out and ${input.size} in; ask for PlacedFactors(KFAC()), which tells how it is`,
  )
}

/** Whether every row occurs once; single precision can't number more than 2²⁴. */
function placementIn(rows: ArrayLike<number>, size: number, name: string): Placement {
  const placement = Int32Array.from({ length: rows.length }, (_, entry) => Math.round(rows[entry]!))
  const seen = new Uint8Array(size)
  let inOrder = true
  placement.forEach((row, entry) => {
    if (row >= 0 && row < size) seen[row] = 1
    inOrder &&= row === entry
  })
  if (placement.length !== size || seen.includes(0)) {
    throw new BeyondgradError(
      'value',
      `KroneckerOperator: the rows of parameter "${name}" are not each of 0 … ${size - 1} once; take them from PlacedFactors(), on an engine with double precision if there are more than 2²⁴`,
    )
  }
  return inOrder ? undefined : placement
}
