import { expect, it } from 'vitest'
import {
  needsRestart,
  queryOf,
  ranges,
  rateOf,
  type Settings,
  settingsFrom,
  within,
} from '../src/settings.ts'

it('takes what is usual where an address says nothing', () => {
  const settings = settingsFrom('')
  expect(settings).toEqual({
    model: 'mlp',
    optimizer: 'adam',
    instruments: 'economy',
    engine: 'tfjs',
    learningRate: 0.001,
    batchSize: 64,
    every: 10,
    steps: 600,
    pace: 60,
    seed: 1,
    sabotage: new Set(),
  })
  expect(queryOf(settings)).toBe('')
})

it('reads an address, and writes it back', () => {
  const query =
    '?model=conv&optimizer=sgd&instruments=full&engine=tfjs&lr=0.01&batch=32&every=5&sabotage=raw,labels'
  const settings = settingsFrom(query)
  expect(settings).toMatchObject({ model: 'conv', engine: 'tfjs', learningRate: 0.01, batchSize: 32 })
  expect([...settings.sabotage]).toEqual(['raw', 'labels'])
  expect(queryOf(settings)).toBe(query)
})

it('goes by the optimiser and the network where it may choose', () => {
  expect(settingsFrom('?optimizer=sgd').learningRate).toBe(0.1)
  expect(settingsFrom('?model=conv').engine).toBe('onnxruntime')
})

it('holds numbers within their ranges, and passes over what is nothing', () => {
  expect(settingsFrom('?lr=1e9&batch=-4&every=2.6&seed=x&pace=')).toMatchObject({
    learningRate: ranges.learningRate.most,
    batchSize: ranges.batchSize.least,
    every: 3,
    seed: 1,
    pace: 60,
  })
  expect(settingsFrom('?model=transformer&sabotage=rate,weather').sabotage).toEqual(new Set(['rate']))
  expect(within('batchSize', Number.NaN)).toBe(64)
})

it('makes the rate huge, and knows what needs another network', () => {
  const now = settingsFrom('')
  const changed = (change: Partial<Settings>): boolean => needsRestart(now, { ...now, ...change })
  expect(rateOf({ ...now, sabotage: new Set(['rate']) })).toBeCloseTo(0.3, 10)
  expect(changed({ learningRate: 1, every: 1, pace: 3, steps: 5, sabotage: new Set(['rate']) })).toBe(false)
  for (const change of [
    { batchSize: 32 },
    { model: 'conv' },
    { seed: 2 },
    { engine: 'onnxruntime' },
    { sabotage: new Set(['raw']) },
  ] satisfies Partial<Settings>[])
    expect(changed(change)).toBe(true)
})
