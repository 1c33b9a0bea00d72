/** @file Sums, products and parts of linear operators, as definitions of new ones. */
import { BeyondgradError, cancelled, ShapeError } from '@beyondgrad/tensor'
import type {
  DenseMatrix,
  KnownStructure,
  LinearOperator,
  LinearOperatorDefinition,
  ProductOptions,
} from './linear-operator.ts'
import { entriesOf, type Part, type VectorLayout, vectorLayout } from './vector-layout.ts'
import { addScaled, scaled as times } from './vectors.ts'

type Product = LinearOperatorDefinition['matvec']
type Products = NonNullable<LinearOperatorDefinition['matmat']>

/** Throws `cancelled` once the signal says so. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled('the product was cancelled')
}

/** Several products by one after the other. */
export const oneByOne =
  (matvec: Product): Products =>
  async (vectors, { signal, onProgress }) => {
    const results: Float64Array[] = []
    for (const vector of vectors) {
      throwIfCancelled(signal)
      results.push(Float64Array.from(await matvec(vector, { signal })))
      onProgress?.({ done: results.length, total: vectors.length })
    }
    return results
  }

/** Throws `shape` for an operator that is not square. */
export function demandSquare(what: string, { name, shape: [rows, columns] }: LinearOperator): void {
  if (rows === columns) return
  throw new ShapeError(what, `${name} is [${rows}, ${columns}] and must be square`)
}

function demandNumber(what: string, factor: number): void {
  if (Number.isFinite(factor)) return
  throw new BeyondgradError('value', `${what}: takes a finite number, not ${factor}`)
}

/** The layout that two operators share; none where one has none. */
function commonLayout(what: string, a: LinearOperator, b: LinearOperator): VectorLayout | undefined {
  if (a.layout === undefined || b.layout === undefined || a.layout === b.layout) return a.layout && b.layout
  const others = b.layout.parts
  const same =
    a.layout.parts.length === others.length &&
    a.layout.parts.every(({ part, from, size }, i) => {
      const other = others[i]!
      return part.name === other.part.name && from === other.from && size === other.size
    })
  if (same) return a.layout
  const names = (x: VectorLayout): string => x.parts.map(({ part }) => part.name).join(', ')
  throw new ShapeError(
    what,
    `${a.name} is about ${names(a.layout)}, ${b.name} about ${names(b.layout)}; restrict() them to the same parameters, in the same order`,
  )
}

/** a + sign · b. */
export function sum(a: LinearOperator, b: LinearOperator, sign: 1 | -1): LinearOperatorDefinition {
  const what = sign === 1 ? 'add' : 'subtract'
  if (a.shape[0] !== b.shape[0] || a.shape[1] !== b.shape[1]) {
    throw new ShapeError(what, `${a.name} is [${a.shape.join(', ')}], ${b.name} [${b.shape.join(', ')}]`)
  }
  const added = async (
    left: Promise<Float64Array>,
    right: () => Promise<Float64Array>,
  ): Promise<Float64Array> => {
    const total = (await left).slice()
    addScaled(total, sign, await right())
    return total
  }
  const [p, q] = [a.known, b.known]
  return {
    name: `${a.name} ${sign === 1 ? '+' : '−'} ${b.name}`,
    shape: a.shape,
    layout: commonLayout(what, a, b),
    symmetric: a.symmetric && b.symmetric,
    matvec: (vector, { signal }) => added(a.matvec(vector, { signal }), () => b.matvec(vector, { signal })),
    matmat: async (vectors, options) => {
      const left = await a.matmat(vectors, options)
      const right = await b.matmat(vectors, options)
      left.forEach((x, i) => addScaled(x, sign, right[i]!))
      return left
    },
    rmatvec: (vector, { signal }) =>
      added(a.rmatvec(vector, { signal }), () => b.rmatvec(vector, { signal })),
    known: {
      ...(p.diagonal && q.diagonal && { diagonal: (o) => added(p.diagonal!(o), () => q.diagonal!(o)) }),
      ...(p.trace && q.trace && { trace: async (o) => (await p.trace!(o)) + sign * (await q.trace!(o)) }),
    },
  }
}

export function scaled(a: LinearOperator, factor: number): LinearOperatorDefinition {
  demandNumber('scale', factor)
  const { known } = a
  return {
    name: `${factor} · ${a.name}`,
    shape: a.shape,
    layout: a.layout,
    symmetric: a.symmetric,
    matvec: async (vector, options) => times(await a.matvec(vector, options), factor),
    matmat: async (vectors, options) =>
      (await a.matmat(vectors, options)).map((column) => times(column, factor)),
    rmatvec: async (vector, options) => times(await a.rmatvec(vector, options), factor),
    known: {
      ...(known.diagonal && { diagonal: async (o) => times(await known.diagonal!(o), factor) }),
      ...(known.trace && { trace: async (o) => (await known.trace!(o)) * factor }),
      ...(known.inverse && factor !== 0 && { inverse: () => known.inverse!().scale(1 / factor) }),
      ...(known.logdet &&
        factor > 0 && { logdet: async (o) => (await known.logdet!(o)) + a.shape[0] * Math.log(factor) }),
    },
  }
}

/** a b: first b, then a. */
export function product(a: LinearOperator, b: LinearOperator): LinearOperatorDefinition {
  if (a.shape[1] !== b.shape[0]) {
    throw new ShapeError(
      'compose',
      `${a.name} [${a.shape.join(', ')}] can't follow ${b.name} [${b.shape.join(', ')}]`,
    )
  }
  return {
    name: `${a.name} · ${b.name}`,
    shape: [a.shape[0], b.shape[1]],
    layout: commonLayout('compose', a, b),
    matvec: async (vector, { signal }) => a.matvec(await b.matvec(vector, { signal }), { signal }),
    matmat: async (vectors, options) => a.matmat(await b.matmat(vectors, options), options),
    rmatvec: async (vector, { signal }) => b.rmatvec(await a.rmatvec(vector, { signal }), { signal }),
  }
}

/** a + δ I. */
export function damped(a: LinearOperator, delta: number): LinearOperatorDefinition {
  demandNumber('damped', delta)
  const { known } = a
  const plus = (x: Float64Array, vector: Float64Array): Float64Array => {
    const total = x.slice()
    addScaled(total, delta, vector)
    return total
  }
  return {
    name: `${a.name} + ${delta} I`,
    shape: a.shape,
    layout: a.layout,
    symmetric: a.symmetric,
    matvec: async (vector, options) => plus(await a.matvec(vector, options), vector),
    matmat: async (vectors, options) =>
      (await a.matmat(vectors, options)).map((column, i) => plus(column, vectors[i]!)),
    rmatvec: async (vector, options) => plus(await a.rmatvec(vector, options), vector),
    known: {
      ...(known.diagonal && {
        diagonal: async (o) => (await known.diagonal!(o)).map((value) => value + delta),
      }),
      ...(known.trace && { trace: async (o) => (await known.trace!(o)) + delta * a.shape[0] }),
    },
  }
}

export function transposed({ diagonal, trace, logdet, inverse }: KnownStructure): KnownStructure {
  return {
    ...(diagonal && { diagonal }),
    ...(trace && { trace }),
    ...(logdet && { logdet }),
    ...(inverse && { inverse: () => inverse().adjoint() }),
  }
}

/** The rows and columns of some parameters. */
export function restricted(a: LinearOperator, wanted: Iterable<string | Part>): LinearOperatorDefinition {
  if (a.layout === undefined) {
    throw new BeyondgradError(
      'unsupported',
      `restrict: ${a.name} does not know which entries belong to which parameter; define it with a layout`,
    )
  }
  const { layout, entries } = entriesOf(a.layout, wanted)
  const widened = (vector: Float64Array): Float64Array => {
    const wide = new Float64Array(a.shape[1])
    entries.forEach((entry, i) => (wide[entry] = vector[i]!))
    return wide
  }
  const chosen = (wide: Float64Array): Float64Array => Float64Array.from(entries, (entry) => wide[entry]!)
  const { diagonal } = a.known
  return {
    name: `${a.name} of ${layout.parts.map(({ part }) => part.name).join(', ')}`,
    layout,
    symmetric: a.symmetric,
    matvec: async (vector, options) => chosen(await a.matvec(widened(vector), options)),
    matmat: async (vectors, options) => (await a.matmat(vectors.map(widened), options)).map(chosen),
    rmatvec: async (vector, options) => chosen(await a.rmatvec(widened(vector), options)),
    known: { ...(diagonal && { diagonal: async (o) => chosen(await diagonal(o)) }) },
  }
}

/** @param again makes operators of other blocks, such as the inverses */
export function blocks(
  operators: readonly LinearOperator[],
  again: (operators: readonly LinearOperator[]) => LinearOperator,
): LinearOperatorDefinition {
  if (operators.length === 0) throw new BeyondgradError('value', 'blockDiagonal: there is no operator')
  for (const operator of operators) demandSquare('blockDiagonal', operator)
  const sizes = operators.map(({ shape }) => shape[0])
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0))
  const size = sizes.reduce((a, b) => a + b, 0)
  const parts = operators.flatMap(({ layout }) => layout?.parts.map(({ part }) => part) ?? [])
  const complete = operators.every(({ layout }) => layout !== undefined)
  const split = (vector: Float64Array, i: number): Float64Array =>
    vector.subarray(starts[i], starts[i]! + sizes[i]!)
  const joined = async (
    each: (operator: LinearOperator, i: number) => Promise<Float64Array>,
  ): Promise<Float64Array> => {
    const whole = new Float64Array(size)
    for (const [i, operator] of operators.entries()) whole.set(await each(operator, i), starts[i])
    return whole
  }
  const all = <K extends keyof KnownStructure>(key: K): boolean =>
    operators.every(({ known }) => known[key] !== undefined)
  const total = async (key: 'trace' | 'logdet', options?: ProductOptions): Promise<number> => {
    let value = 0
    for (const { known } of operators) value += await known[key]!(options)
    return value
  }
  return {
    name: `blocks of ${operators.map(({ name }) => name).join(', ')}`,
    shape: [size, size],
    layout: complete ? vectorLayout(parts) : undefined,
    symmetric: operators.every(({ symmetric }) => symmetric),
    matvec: (vector, { signal }) => joined((operator, i) => operator.matvec(split(vector, i), { signal })),
    matmat: async (vectors, { signal }) => {
      const wholes = vectors.map(() => new Float64Array(size))
      for (const [i, operator] of operators.entries()) {
        const own = vectors.map((vector) => split(vector, i))
        const found = await operator.matmat(own, { signal })
        found.forEach((column, k) => wholes[k]!.set(column, starts[i]))
      }
      return wholes
    },
    rmatvec: (vector, { signal }) => joined((operator, i) => operator.rmatvec(split(vector, i), { signal })),
    known: {
      ...(all('diagonal') && { diagonal: (o) => joined(({ known }) => known.diagonal!(o)) }),
      ...(all('trace') && { trace: (o) => total('trace', o) }),
      ...(all('logdet') && { logdet: (o) => total('logdet', o) }),
      ...(all('inverse') && { inverse: () => again(operators.map(({ known }) => known.inverse!())) }),
      damped: (delta) => again(operators.map((operator) => operator.damped(delta))),
      scaled: (factor) => again(operators.map((operator) => operator.scale(factor))),
    },
  }
}

/** So many unit vectors at once. */
const unitsAtOnce = 256

/** Every column. */
export async function dense(a: LinearOperator, { signal, onProgress }: ProductOptions): Promise<DenseMatrix> {
  const [rows, columns] = a.shape
  const data = new Float64Array(rows * columns)
  for (let from = 0; from < columns; from += unitsAtOnce) {
    throwIfCancelled(signal)
    const to = Math.min(columns, from + unitsAtOnce)
    const found = await a.matmat(unitVectors(columns, from, to), { signal })
    found.forEach((column, k) => {
      for (let row = 0; row < rows; row++) data[row * columns + from + k] = column[row]!
    })
    onProgress?.({ done: to, total: columns })
  }
  return { rows, columns, data }
}

/** Unit vectors `from` up to `to` of a size. */
export function unitVectors(size: number, from: number, to: number): Float64Array[] {
  return Array.from({ length: to - from }, (_, k) => {
    const unit = new Float64Array(size)
    unit[from + k] = 1
    return unit
  })
}
