/** @file How the page calls things. */
import type { Choice, NumberSetting, Sabotage, Settings } from '../settings.ts'
import type { Phase } from './state.ts'

export const choiceNames: { readonly [C in Choice]: Readonly<Record<Settings[C], string>> } = {
  model: { mlp: 'dense, 784–64–32–10', conv: 'convolutional, two layers' },
  optimizer: { sgd: 'SGD', momentum: 'SGD with momentum 0.9', adam: 'Adam' },
  instruments: {
    economy: 'economy: cheap ones',
    business: 'business: and curvature',
    full: 'full: and its largest eigenvalue',
  },
  engine: { tfjs: 'TensorFlow.js, wasm', onnxruntime: 'ONNX Runtime, wasm' },
}

export const settingNames: Readonly<Record<Choice | NumberSetting, string>> = {
  model: 'Network',
  optimizer: 'Optimiser',
  instruments: 'Instruments',
  engine: 'Engine',
  learningRate: 'Learning rate',
  batchSize: 'Batch size',
  every: 'Track every … steps',
  steps: 'Steps of a run',
  pace: 'Steps a second, at most',
  seed: 'Seed',
}

export const sabotageNames: Readonly<Record<Sabotage, { readonly name: string; readonly what: string }>> = {
  rate: { name: 'Huge learning rate', what: '300 times as large, at once' },
  raw: { name: 'Raw pixels', what: '0 to 255 instead of 0 to 1' },
  labels: { name: 'Wrong labels', what: '20 % of the training digits' },
  sigmoid: { name: 'Six layers of sigmoids', what: 'instead of two of ReLUs' },
  zeros: { name: 'Zero weights', what: 'at the beginning' },
}

export const phaseNames: Readonly<Record<Phase, string>> = {
  loading: 'Fetching digits and engine …',
  ready: 'Ready.',
  running: 'Training.',
  paused: 'Paused.',
  finished: 'Done.',
  diverged: 'The loss is no number any more; training has stopped. Restart with a smaller learning rate.',
  failed: 'Failed.',
}

export const percent = (share: number | undefined): string =>
  share === undefined ? '–' : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`

/** A rate as a person would write it. */
export const rateText = (rate: number): string => String(Number(rate.toPrecision(2)))
