/** @file The quantities that a command line asks for, as extensions under their names. */
import type { Extension, Extensions, KroneckerMode, Plugin } from '@beyondgrad/autograd'
import { BatchDiagGGNMC, DiagGGNMC, DiagHessianMC, KFAC, KFLR, KFRA, SqrtGGNMC } from '@beyondgrad/backpack'
import { knownQuantities, type QuantityFactories } from './plugins.ts'
import { UsageError } from './usage-error.ts'

export interface QuantityOptions {
  /** Names with commas between. */
  readonly quantities: string
  readonly kroneckerMode: KroneckerMode
  readonly mcSamples: number
  readonly seed: number
}

/** What was asked for, in that order; a name that nobody knows is an error that lists those there are. */
export function requestedQuantities(options: QuantityOptions, plugins: readonly Plugin[]): Extensions {
  const factories = { ...knownQuantities(plugins), ...withOptions(options) }
  const names = options.quantities
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (names.length === 0) throw new UsageError('--quantities names none; as in gradient,variance')
  checkNames(names, factories)
  return Object.fromEntries(names.map((name) => [name, factories[name]!()]))
}

/** @throws UsageError for a name that is not known */
export function checkNames(names: readonly string[], known: QuantityFactories): void {
  const odd = names.find((name) => !Object.hasOwn(known, name))
  if (odd === undefined) return
  throw new UsageError(`there is no quantity "${odd}"; there are: ${Object.keys(known).join(', ')}`)
}

/** Those whose results depend on more than the loss. */
function withOptions({ kroneckerMode: mode, mcSamples: samples, seed }: QuantityOptions): QuantityFactories {
  const drawn = { samples, seed }
  const factories: Record<string, () => Extension<unknown>> = {
    'diag-ggn-mc': () => DiagGGNMC(drawn),
    'batch-diag-ggn-mc': () => BatchDiagGGNMC(drawn),
    'diag-hessian-mc': () => DiagHessianMC(drawn),
    'sqrt-ggn-mc': () => SqrtGGNMC(drawn),
    kfac: () => KFAC({ mode, ...drawn }),
    kflr: () => KFLR({ mode }),
    kfra: () => KFRA({ mode }),
  }
  return factories
}
