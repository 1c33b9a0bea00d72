/** @file Linear operators: matrices that are known by their products with vectors. */
import { BeyondgradError, ShapeError } from '@beyondgrad/tensor'
import * as algebra from './operator-algebra.ts'
import type { Part, VectorLayout } from './vector-layout.ts'
import { isFiniteVector } from './vectors.ts'

/** How far something that takes its time has come. */
export interface Progress {
  /** Batches of a product, or products of an iteration, that are done. */
  readonly done: number
  /** How many there will be, at most, where that is known. */
  readonly total?: number
}

/** What a product, or whatever is made of products, can be told. */
export interface ProductOptions {
  /** Cancels it between two executions, or within one where the engine can; it rejects with code `cancelled`. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** A dense matrix, row by row. */
export interface DenseMatrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** What an operator knows beyond its products, exactly and without many of them. */
export interface KnownStructure {
  readonly diagonal?: (options?: ProductOptions) => Promise<Float64Array>
  readonly trace?: (options?: ProductOptions) => Promise<number>
  /** log det of a positive definite operator; throws `no-solution` if it is not. */
  readonly logdet?: (options?: ProductOptions) => Promise<number>
  /** Throws `no-solution` for one that has no inverse. */
  readonly inverse?: () => LinearOperator
  /** The operator + δ I, with what is known of that. */
  readonly damped?: (delta: number) => LinearOperator
  /** The operator times a number, with what is known of that. */
  readonly scaled?: (factor: number) => LinearOperator
}

/** A matrix, known by its products; vectors are flat and on the host, in double precision. */
export interface LinearOperator {
  /** For messages. */
  readonly name: string
  readonly shape: readonly [rows: number, columns: number]
  readonly symmetric: boolean
  /** What the entries of vectors belong to, if rows and columns are those of parameters. */
  readonly layout: VectorLayout | undefined
  readonly known: KnownStructure
  /** The product with a vector [columns]: [rows]. Throws `shape` for another length, `data` for NaN or infinity. */
  matvec(vector: ArrayLike<number>, options?: ProductOptions): Promise<Float64Array>
  /** The products with K vectors, together where that is cheaper: K vectors [rows]. */
  matmat(vectors: readonly ArrayLike<number>[], options?: ProductOptions): Promise<Float64Array[]>
  /** The product of the transpose with a vector [rows]: [columns]. Throws `unsupported` where it is not known. */
  rmatvec(vector: ArrayLike<number>, options?: ProductOptions): Promise<Float64Array>
  /** The transpose. */
  adjoint(): LinearOperator
  add(other: LinearOperator): LinearOperator
  subtract(other: LinearOperator): LinearOperator
  scale(factor: number): LinearOperator
  /** This operator after another: the product of the matrices. */
  compose(other: LinearOperator): LinearOperator
  /** This operator + δ I. */
  damped(delta: number): LinearOperator
  /** The block of some parameters, by name or themselves, in this order. Throws `unsupported` without a layout. */
  restrict(parameters: Iterable<string | Part>): LinearOperator
  /** The matrix itself, column by column. Refused (`value`) if rows or columns are more than `limit`, by default 4,096. */
  toDense(options?: ProductOptions & { readonly limit?: number }): Promise<DenseMatrix>
}

/** What `defineLinearOperator` makes an operator of. */
export interface LinearOperatorDefinition {
  readonly name: string
  /** [rows, columns]; may be left out where there is a layout. */
  readonly shape?: readonly [rows: number, columns: number] | undefined
  /** Of the vectors on both sides. */
  readonly layout?: VectorLayout | undefined
  /** Whether it is its own transpose. Default: false. */
  readonly symmetric?: boolean | undefined
  /** Gets a vector of its own, of the right length and finite. */
  readonly matvec: (
    vector: Float64Array,
    options: ProductOptions,
  ) => Promise<ArrayLike<number>> | ArrayLike<number>
  /** Default: one product after the other. */
  readonly matmat?:
    | ((vectors: readonly Float64Array[], options: ProductOptions) => Promise<readonly Float64Array[]>)
    | undefined
  /** Default: `matvec` where the operator is symmetric; otherwise it can't be transposed. */
  readonly rmatvec?: LinearOperatorDefinition['matvec'] | undefined
  readonly known?: KnownStructure | undefined
}

const largestDense = 4096

/**
 * Makes an operator of a product with a vector. Throws `shape` where the shape is missing or contradicts the layout, or a symmetric
 * operator is not square.
 */
export function defineLinearOperator(definition: LinearOperatorDefinition): LinearOperator {
  const { name, layout, symmetric = false, known = {} } = definition
  const [rows, columns] = shapeOf(definition)
  const backward = definition.rmatvec ?? (symmetric ? definition.matvec : undefined)
  // Copied: what comes from a product is the caller's to change.
  const result = (found: ArrayLike<number>, size: number): Float64Array => {
    if (found.length === size) return Float64Array.from(found)
    throw new ShapeError(name, `its product has ${found.length} entries, and should have ${size}`)
  }
  const operator: LinearOperator = {
    name,
    shape: [rows, columns],
    symmetric,
    layout,
    known,
    matvec: async (vector, options = {}) => {
      demandVector(name, vector, columns)
      return result(await definition.matvec(Float64Array.from(vector), options), rows)
    },
    matmat: async (vectors, options = {}) => {
      for (const vector of vectors) demandVector(name, vector, columns)
      const own = vectors.map((vector) => Float64Array.from(vector))
      if (own.length === 0) return []
      const found = await (definition.matmat ?? algebra.oneByOne(definition.matvec))(own, options)
      return found.map((each) => result(each, rows))
    },
    rmatvec: async (vector, options = {}) => {
      demandVector(name, vector, rows)
      if (backward === undefined) throw noTranspose(name)
      return result(await backward(Float64Array.from(vector), options), columns)
    },
    adjoint: () => {
      if (symmetric) return operator
      if (backward === undefined) throw noTranspose(name)
      return defineLinearOperator({
        name: `transpose of ${name}`,
        shape: [columns, rows],
        layout,
        matvec: backward,
        rmatvec: (vector, options) => operator.matvec(vector, options),
        known: algebra.transposed(known),
      })
    },
    add: (other) => defineLinearOperator(algebra.sum(operator, other, 1)),
    subtract: (other) => defineLinearOperator(algebra.sum(operator, other, -1)),
    scale: (factor) => known.scaled?.(factor) ?? defineLinearOperator(algebra.scaled(operator, factor)),
    compose: (other) => defineLinearOperator(algebra.product(operator, other)),
    damped: (delta) => {
      algebra.demandSquare('damped', operator)
      return known.damped?.(delta) ?? defineLinearOperator(algebra.damped(operator, delta))
    },
    restrict: (parameters) => defineLinearOperator(algebra.restricted(operator, parameters)),
    toDense: async ({ limit = largestDense, ...options } = {}) => {
      if (Math.max(rows, columns) > limit) {
        throw new BeyondgradError(
          'value',
          `toDense: ${name} is [${rows}, ${columns}], and the limit is ${limit}; restrict() it to fewer parameters, or allow more with { limit }`,
        )
      }
      return algebra.dense(operator, options)
    },
  }
  return operator
}

/** The block-diagonal operator of square operators; vectors are those of the operators, one after the other. */
export function blockDiagonal(operators: readonly LinearOperator[]): LinearOperator {
  return defineLinearOperator(algebra.blocks(operators, blockDiagonal))
}

/** I of a size, or of a layout. */
export function identityOperator(of: number | VectorLayout): LinearOperator {
  const layout = typeof of === 'number' ? undefined : of
  const size = typeof of === 'number' ? of : of.size
  return defineLinearOperator({
    name: 'identity',
    shape: [size, size],
    layout,
    symmetric: true,
    matvec: (vector) => vector,
    known: {
      diagonal: () => Promise.resolve(new Float64Array(size).fill(1)),
      trace: () => Promise.resolve(size),
      logdet: () => Promise.resolve(0),
      inverse: () => identityOperator(of),
    },
  })
}

function shapeOf({ name, shape, layout, symmetric }: LinearOperatorDefinition): readonly [number, number] {
  const size = layout?.size
  const [rows, columns] = shape ?? [size, size]
  const isSize = (x: number | undefined): x is number => Number.isInteger(x) && x! >= 0
  if (!isSize(rows) || !isSize(columns)) {
    throw new ShapeError(
      'defineLinearOperator',
      `${name} needs a shape of two sizes, or a layout, not ${String(shape)}`,
    )
  }
  if (symmetric === true && rows !== columns) {
    throw new ShapeError('defineLinearOperator', `${name} is [${rows}, ${columns}], which can't be symmetric`)
  }
  if (size !== undefined && (rows !== size || columns !== size)) {
    throw new ShapeError(
      'defineLinearOperator',
      `${name} is [${rows}, ${columns}], but its layout has ${size} entries`,
    )
  }
  return [rows, columns]
}

function demandVector(name: string, vector: ArrayLike<number>, size: number): void {
  if (vector.length !== size) {
    throw new ShapeError(name, `it multiplies vectors of ${size} entries, not of ${vector.length}`)
  }
  if (isFiniteVector(vector)) return
  const at = Array.from(vector).findIndex((value) => !Number.isFinite(value))
  throw new BeyondgradError('data', `${name}: entry ${at} of the vector is ${vector[at]}`)
}

function noTranspose(name: string): BeyondgradError {
  return new BeyondgradError(
    'unsupported',
    `${name}: the product with its transpose is not known; define the operator with rmatvec, or as symmetric`,
  )
}
