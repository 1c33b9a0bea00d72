/**
 * @file Preconditioned conjugate gradients (Hestenes and Stiefel, 1952) for several right-hand sides in step, so that their products are
 * one execution.
 */
import { BeyondgradError } from '@beyondgrad/tensor'
import { type CountedProducts, countedProducts } from './counted-products.ts'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { notConverged, type Solution } from './solve.ts'
import { addScaled, dot, norm, scaled } from './vectors.ts'

export interface ConjugateGradientOptions {
  readonly tolerance: number
  readonly maxIterations: number
  /** An approximate inverse, positive definite. */
  readonly preconditioner: LinearOperator | undefined
}

interface Column {
  readonly right: Float64Array
  readonly size: number
  readonly solution: Float64Array
  residual: Float64Array
  direction: Float64Array
  /** rᵀ M r. */
  energy: number
  iterations: number
  /** The residual as it was found by a product, at the last restart. */
  found: number
  finished: number | undefined
}

export async function conjugateGradients(
  operator: LinearOperator,
  rightSides: readonly Float64Array[],
  { tolerance, maxIterations, preconditioner }: ConjugateGradientOptions,
  options: ProductOptions,
): Promise<Solution[]> {
  const products = countedProducts('inverse (cg)', operator, options)
  const precondition = preconditioned(preconditioner, options)
  const columns = rightSides.map((right): Column => {
    const size = norm(right)
    return {
      right,
      size,
      solution: new Float64Array(right.length),
      residual: right.slice(),
      direction: right,
      energy: 0,
      iterations: 0,
      found: 1,
      finished: size === 0 ? 0 : undefined,
    }
  })
  const active = (): Column[] => columns.filter(({ finished }) => finished === undefined)
  await restart(active(), precondition)
  for (let some = active(); some.length > 0; some = active()) {
    const images = await products.times(some.map(({ direction }) => direction))
    some.forEach((column, i) => step(column, images[i]!, operator))
    const small = some.filter(({ residual, size }) => norm(residual) <= tolerance * size)
    await verify(small, products, tolerance)
    const late = some.find(
      ({ finished, iterations }) => finished === undefined && iterations >= maxIterations,
    )
    if (late !== undefined) {
      const advice = 'allow more with maxIterations, give a preconditioner, or damp the matrix'
      throw notConverged('cg', late.iterations, norm(late.residual) / late.size, tolerance, advice)
    }
    await turn(
      some.filter((column) => column.finished === undefined && !small.includes(column)),
      precondition,
    )
    await restart(
      small.filter(({ finished }) => finished === undefined),
      precondition,
    )
  }
  return columns.map(({ solution, iterations, finished }) => ({ solution, iterations, residual: finished! }))
}

type Precondition = (residuals: readonly Float64Array[]) => Promise<readonly Float64Array[]>

function preconditioned(preconditioner: LinearOperator | undefined, options: ProductOptions): Precondition {
  if (preconditioner === undefined) return (residuals) => Promise.resolve(residuals)
  const products = countedProducts('inverse (cg), preconditioner', preconditioner, {
    signal: options.signal,
  })
  return (residuals) => products.times(residuals)
}

/** One step along the direction, whose image is given. */
function step(column: Column, image: Float64Array, { name }: LinearOperator): void {
  const { direction, energy, residual, solution } = column
  const curvature = dot(direction, image)
  const scale = norm(direction) * norm(image)
  if (!(curvature > 1e-15 * scale)) {
    const relative = curvature / dot(direction, direction)
    throw new BeyondgradError(
      'no-solution',
      `inverse (cg): ${name} is not positive definite: a direction has curvature ${relative.toPrecision(3)}; damp it, as in ${name}.damped(1e-2), or take GGNOperator in place of a Hessian`,
    )
  }
  const length = energy / curvature
  addScaled(solution, length, direction)
  addScaled(residual, -length, image)
  column.iterations++
}

/** New directions, conjugate to those before. */
async function turn(columns: readonly Column[], precondition: Precondition): Promise<void> {
  if (columns.length === 0) return
  const next = await precondition(columns.map(({ residual }) => residual))
  columns.forEach((column, i) => {
    const energy = energyOf(column, next[i]!)
    const direction = scaled(column.direction, energy / column.energy)
    addScaled(direction, 1, next[i]!)
    column.direction = direction
    column.energy = energy
  })
}

/** Directions that forget those before. */
async function restart(columns: readonly Column[], precondition: Precondition): Promise<void> {
  if (columns.length === 0) return
  const next = await precondition(columns.map(({ residual }) => residual))
  columns.forEach((column, i) => {
    column.energy = energyOf(column, next[i]!)
    column.direction = next[i]!.slice()
  })
}

function energyOf({ residual }: Column, next: Float64Array): number {
  const energy = dot(residual, next)
  if (energy > 0) return energy
  throw new BeyondgradError(
    'no-solution',
    `inverse (cg): the preconditioner is not positive definite: a residual times it is ${energy.toPrecision(3)}; it should approximate the inverse, not the matrix`,
  )
}

/** Residuals that the recurrence takes for small are computed anew; rounding may have led it astray. */
async function verify(
  columns: readonly Column[],
  products: CountedProducts,
  tolerance: number,
): Promise<void> {
  if (columns.length === 0) return
  const images = await products.times(columns.map(({ solution }) => solution))
  columns.forEach((column, i) => {
    column.residual = column.right.slice()
    addScaled(column.residual, -1, images[i]!)
    column.iterations++
    const found = norm(column.residual) / column.size
    if (found <= tolerance) column.finished = found
    else if (found > column.found / 2) {
      const advice = 'the engine’s precision allows no better, so ask for less or damp the matrix'
      throw notConverged('cg', column.iterations, found, tolerance, advice)
    }
    column.found = found
  })
}
