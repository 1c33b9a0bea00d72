import { type Extension, type ParameterMap } from '@beyondgrad/autograd'
import { type Tensor } from '@beyondgrad/tensor'
import { checkExtension, definitions, monteCarloDiagonal } from '@beyondgrad/testing'
import { describe, it } from 'vitest'
import { DiagGGNMC, quantities } from '../src/index.ts'
import { networks } from './networks.ts'

const byName = Object.entries(quantities).filter(
  (entry): entry is [keyof typeof definitions, () => Extension<ParameterMap<Tensor>>] =>
    entry[0] in definitions,
)

describe.each(networks)('$name', ({ problem, draws, factor }) => {
  it.each(byName)('%s is what brute force says, for 1, 2 and 3 samples', async (name, quantity) => {
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
})
