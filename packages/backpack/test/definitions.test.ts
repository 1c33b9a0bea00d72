import { type Extension, type ParameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, type Tensor } from '@beyondgrad/tensor'
import { checkExtension, definitions, monteCarloDiagonal } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { DiagGGNMC, DiagHessian, quantities } from '../src/index.ts'
import { networks } from './networks.ts'

const byName = Object.entries(quantities).filter(
  (entry): entry is [keyof typeof definitions, () => Extension<ParameterMap<Tensor>>] =>
    entry[0] in definitions,
)

describe.each(networks)('$name', ({ problem, hessian, draws, factor }) => {
  const available = byName.filter(([name]) => !(name === 'diag-hessian' && hessian === 'refused'))

  it.each(available)('%s is what brute force says, for 1, 2 and 3 samples', async (name, quantity) => {
    for (const samples of [1, 2, 3]) {
      await checkExtension(quantity(), { ...problem(samples), definition: definitions[name] })
    }
  })

  if (draws !== undefined) {
    it('diag-ggn-mc is what its draws say', async () => {
      for (const samples of [1, 3]) {
        const definition = monteCarloDiagonal({
          loss: draws,
          samples: 4,
          seed: 5,
          ...(factor ? { factor } : {}),
        })
        await checkExtension(DiagGGNMC({ samples: 4, seed: 5 }), { ...problem(samples), definition })
      }
    })
  }

  if (hessian === 'refused') {
    it('diag-hessian is refused, and says what it can’t do', async () => {
      const failure = await checkExtension(DiagHessian(), {
        ...problem(2),
        definition: definitions['diag-hessian'],
      }).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(BeyondgradError)
      expect((failure as BeyondgradError).code).toBe('unsupported')
      expect((failure as BeyondgradError).message).toMatch(/exact Hessian/)
    })
  }
})
