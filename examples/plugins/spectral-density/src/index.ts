/** @file Spectral densities, and what the command line loads with `--plugin beyondgrad-spectral-density`. */
import { definePlugin, type Plugin } from '@beyondgrad/autograd'
import { SpectralMoments } from './moments.ts'

export {
  type Progress,
  spectralDensity,
  type SpectralDensity,
  type SpectralDensityOptions,
} from './density.ts'
export { lanczos, type MatrixProduct, type Quadrature } from './lanczos.ts'
export { SpectralMoments, type SpectralMomentsOptions } from './moments.ts'
export type { Curvature } from './product.ts'

const plugin: Plugin = definePlugin({
  protocol: 1,
  name: 'beyondgrad-spectral-density',
  quantities: { 'spectral-moments': () => SpectralMoments() },
})
export default plugin
