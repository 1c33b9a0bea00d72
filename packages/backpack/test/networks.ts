/** @file All networks that the quantities are checked on. */
import { indexing } from './indexing-networks.ts'
import { branching, convolutional, plain, sequences } from './layer-networks.ts'
import { lossNetworks } from './loss-networks.ts'
import type { Network } from './network.ts'
import { combined, tied, unusual } from './parameter-networks.ts'

export const networks: readonly Network[] = [
  ...plain,
  ...convolutional,
  ...branching,
  ...sequences,
  ...unusual,
  ...tied,
  ...combined,
  ...indexing,
  ...lossNetworks,
]
