/** @file Gradients layer by layer: root mean squares of weights, from the input to the output, as the header orders them. */
import { asNumbers, type RunView } from './run-view.ts'
import { median } from './statistics.ts'

export interface LayerGradient {
  readonly name: string
  /** Median over the window of ‖∂W‖ / √size. */
  readonly size: number
}

/** Of parameters with two axes or more that have a gradient. Logs without shapes have none. */
export function layerGradients(run: RunView): readonly LayerGradient[] {
  const { values } = run.latest('GradNorm', asNumbers)
  if (values.length < 10) return []
  return run.parameters.flatMap(({ name, shape }) => {
    const size = shape.reduce((a, b) => a * b, 1)
    if (shape.length < 2 || size < 2) return []
    const norms = values
      .map((each) => each.get(name))
      .filter((norm) => norm !== undefined && norm > 0 && norm < Infinity)
    return norms.length < 10 ? [] : [{ name, size: median(norms as number[]) / Math.sqrt(size) }]
  })
}

/** The factor from layer to layer towards the output, by least squares of logarithms, and what it explains of them. */
export function trendOf(layers: readonly LayerGradient[]): { readonly factor: number; readonly fit: number } {
  const count = layers.length
  const logs = layers.map(({ size }) => Math.log(size))
  const mean = logs.reduce((a, b) => a + b, 0) / count
  const centre = (count - 1) / 2
  let [across, along, total] = [0, 0, 0]
  logs.forEach((value, i) => {
    across += (i - centre) * (value - mean)
    along += (i - centre) ** 2
    total += (value - mean) ** 2
  })
  return { factor: Math.exp(across / along), fit: total === 0 ? 0 : across ** 2 / (along * total) }
}
