/** @file log det of a positive definite operator: exact where it is known, otherwise by stochastic Lanczos quadrature. */
import { BeyondgradError } from '@beyondgrad/tensor'
import { countedProducts } from './counted-products.ts'
import { lanczos } from './lanczos.ts'
import type { LinearOperator, ProductOptions } from './linear-operator.ts'
import { demandSquare } from './operator-algebra.ts'
import { demandCount, demandSeed, randomVector } from './random-vectors.ts'

export interface LogdetOptions extends ProductOptions {
  /** 'exact': what the operator knows; 'lanczos': estimated. Default: 'exact' where it is known, else 'lanczos'. */
  readonly method?: 'exact' | 'lanczos'
  /** Starting vectors, over which is averaged. Default: 10. */
  readonly vectors?: number
  /** Products for each; more where the matrix is badly conditioned. Default: 30, or as many as there are dimensions. */
  readonly steps?: number
  /** Default: 0. */
  readonly seed?: number
}

export interface LogdetResult {
  readonly value: number
  /** Of the average over starting vectors; the error of too few steps is not in it. */
  readonly standardError?: number
  readonly method: 'exact' | 'lanczos'
  /** Products that it took. */
  readonly matvecs: number
}

/**
 * log det A = tr log A of a symmetric positive definite operator. Throws `no-solution` if it is found not to be positive definite,
 * `unsupported` if it is not symmetric or 'exact' is not known.
 *
 * Source: Ubaru, Chen and Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature", 2017.
 */
export async function logdet(operator: LinearOperator, options: LogdetOptions = {}): Promise<LogdetResult> {
  demandSquare('logdet', operator)
  const { known, name, symmetric } = operator
  const { method = known.logdet ? 'exact' : 'lanczos', signal, onProgress } = options
  if (method === 'exact') {
    if (known.logdet) return { value: await known.logdet({ signal, onProgress }), method, matvecs: 0 }
    throw new BeyondgradError(
      'unsupported',
      `logdet: that of ${name} is not known exactly; use the method "lanczos", or a Kronecker or diagonal operator`,
    )
  }
  if (method !== 'lanczos') {
    throw new BeyondgradError('value', `logdet: method is "exact" or "lanczos", not "${String(method)}"`)
  }
  if (!symmetric) {
    throw new BeyondgradError('unsupported', `logdet: ${name} must be symmetric, and is not said to be`)
  }
  return quadrature(operator, options)
}

async function quadrature(operator: LinearOperator, options: LogdetOptions): Promise<LogdetResult> {
  const { vectors = 10, steps = 30, seed = 0 } = options
  demandCount('logdet', 'vectors', vectors)
  demandCount('logdet', 'steps', steps)
  demandSeed('logdet', seed)
  const size = operator.shape[0]
  if (size === 0) return { value: 0, method: 'lanczos', matvecs: 0 }
  const products = countedProducts('logdet', operator, options, vectors * Math.min(steps, size))
  const samples: number[] = []
  for (let number = 0; number < vectors; number++) {
    // Signs have the same length, so that the average is over directions alone.
    const start = randomVector('signs', size, { seed, stream: 'logdet', number })
    const { nodes, weights } = await lanczos(products, start, steps)
    if (!(nodes[0]! > 1e-14 * nodes.at(-1)!)) {
      throw new BeyondgradError(
        'no-solution',
        `logdet: ${operator.name} is not positive definite: an eigenvalue is at most ${nodes[0]!.toPrecision(3)}; damp it first, with damped()`,
      )
    }
    samples.push(size * nodes.reduce((sum, node, i) => sum + weights[i]! * Math.log(node), 0))
  }
  const value = samples.reduce((a, b) => a + b, 0) / vectors
  const spread = samples.reduce((sum, sample) => sum + (sample - value) ** 2, 0)
  return {
    value,
    ...(vectors > 1 && { standardError: Math.sqrt(spread / (vectors - 1) / vectors) }),
    method: 'lanczos',
    matvecs: products.count,
  }
}
