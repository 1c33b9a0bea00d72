/** @file What the types of spectra promise. */
import type { Tensor } from '@beyondgrad/tensor'
import { expectTypeOf, test } from 'vitest'
import {
  type DirectionValues,
  directionalDerivatives,
  ggnEigenpairs,
  ggnSpectrum,
  type Plot,
  type Route,
  signalToNoisePlot,
  spectrumPlot,
  streamedSpectrum,
} from '../src/index.ts'

declare const loss: Tensor

test('all eigenvalues come by matrices', async () => {
  const { groups } = await ggnSpectrum(loss, { route: 'gram' })
  expectTypeOf(groups[0]!.eigenvalues).toEqualTypeOf<Float64Array>()
  expectTypeOf(groups[0]!.route).toEqualTypeOf<Route>()
  expectTypeOf(spectrumPlot({ groups })).toEqualTypeOf<Plot>()
  // @ts-expect-error -- Lanczos finds the largest alone
  void ggnSpectrum(loss, { route: 'lanczos' })
  // @ts-expect-error -- a criterion is for directions
  void ggnSpectrum(loss, { criterion: { top: 1 } })
})

test('directions have values by parameter, derivatives by sample', async () => {
  const pairs = await ggnEigenpairs(loss, { route: 'lanczos', criterion: { top: 1 } })
  expectTypeOf(pairs.groups[0]!.vectors.get('0.weight')).toEqualTypeOf<DirectionValues>()
  // @ts-expect-error -- gradients play no part in eigenpairs
  void ggnEigenpairs(loss, { gradientSamples: [0] })
  const { groups } = await directionalDerivatives(loss, {
    gradientSamples: [0],
    criterion: (all) => [all.length - 1],
  })
  expectTypeOf(groups[0]!.gammas).toEqualTypeOf<DirectionValues>()
  expectTypeOf(signalToNoisePlot([{ step: 0, groups }])).toEqualTypeOf<Plot>()
})

test('batches are what the loss takes', async () => {
  const { groups } = await streamedSpectrum({
    data: [{ x: loss, size: 2 }],
    loss: ({ x }) => x,
    share: ({ size }) => size,
    rank: 2,
  })
  expectTypeOf(groups[0]!.bound).toEqualTypeOf<number>()
  // @ts-expect-error -- there is no y in a batch
  void streamedSpectrum({ data: [{ x: loss }], loss: ({ y }) => y as Tensor, rank: 2 })
})
