/** @file Laplace approximations of trained networks, and what the command line loads with `--plugin beyondgrad-laplace`. */
import { definePlugin, type Plugin } from '@beyondgrad/autograd'
import { PosteriorVariance } from './variance.ts'

export type { Structure } from './curvature.ts'
export { fitLaplace, type LaplaceOptions } from './fit.ts'
export type { Laplace, PosteriorOptions, Prediction, PredictOptions } from './posterior.ts'
export { PosteriorVariance, type PosteriorVarianceOptions } from './variance.ts'

const plugin: Plugin = definePlugin({
  protocol: 1,
  name: 'beyondgrad-laplace',
  quantities: { 'posterior-variance': () => PosteriorVariance() },
})
export default plugin
