/** @file Plots: what they hold is what was computed, and survives JSON. */
import { type Parameter, parameter } from '@beyondgrad/autograd'
import { describe, expect, it } from 'vitest'
import {
  type DirectionValues,
  type Plot,
  signalToNoise,
  signalToNoisePlot,
  type SignalToNoiseRecord,
  spectrumPlot,
} from '../src/index.ts'

const named = (name: string): Parameter =>
  parameter(name, { shape: [1], dtype: 'float32', data: Float32Array.of(0) })
const parameters = [named('0.weight'), named('0.bias')]
const values = (shape: readonly number[], ...data: number[]): DirectionValues => ({
  shape,
  data: Float64Array.from(data),
})

const survives = (plot: Plot): void => expect(JSON.parse(JSON.stringify(plot))).toEqual(plot)

describe('spectrumPlot', () => {
  const groups = [{ parameters, eigenvalues: Float64Array.of(-1e-9, 0, 0.5, 2), noise: 1e-6 }]

  it('has the largest first, a rule for noise, and says what a logarithm has no place for', () => {
    const plot = spectrumPlot({ groups })
    survives(plot)
    const [panel] = plot.panels as [Plot['panels'][0]]
    expect(panel.title).toBe('0.weight, 0.bias')
    expect(panel.y).toEqual({ label: 'eigenvalue', unit: 'loss', scale: 'log' })
    expect(panel.marks).toEqual([
      { mark: 'point', name: 'eigenvalues', x: [1, 2, 3, 4], y: [2, 0.5, null, null] },
      { mark: 'rule', name: 'rounding noise', x: [], y: [1e-6] },
    ])
    expect(panel.note).toMatch(/^2 of 4 eigenvalues are not positive/)
  })

  it('on a linear axis has all of them', () => {
    const [panel] = spectrumPlot({ groups }, { scale: 'linear', title: 'mine' }).panels
    expect(panel!.marks[0]!.y).toEqual([2, 0.5, 0, -1e-9])
    expect(panel!.note).toBeUndefined()
  })

  it('of nothing is nothing', () => {
    const plot = spectrumPlot({ groups: [{ parameters, eigenvalues: new Float64Array(0), noise: 0 }] })
    expect(plot.panels[0]!.marks).toEqual([{ mark: 'point', name: 'eigenvalues', x: [], y: [] }])
  })
})

describe('signalToNoisePlot', () => {
  const at = (step: number, gammas: DirectionValues): SignalToNoiseRecord => ({
    step,
    groups: [{ parameters, gammas, lambdas: values([2, 1], 1, 3) }],
  })

  it('has a line for each direction, the largest first, broken where there is no ratio', () => {
    const first = values([2, 2], 1, 2, 3, 2)
    const plot = signalToNoisePlot([at(0, first), at(10, values([2, 1], 2, 6))])
    survives(plot)
    const [slope, curvature] = plot.panels as [Plot['panels'][0], Plot['panels'][0]]
    expect(slope.title).toBe('0.weight, 0.bias: slope γ')
    expect([...signalToNoise(first)]).toEqual([2, Infinity])
    expect(slope.marks).toEqual([
      { mark: 'line', name: 'direction 1', x: [0, 10], y: [null, 2] },
      { mark: 'line', name: 'direction 2', x: [0, 10], y: [2, null] },
    ])
    expect(curvature.marks[0]!.y).toEqual([2, 2])
  })

  it('of no records is empty; other groups are refused', () => {
    expect(signalToNoisePlot([]).panels).toEqual([])
    const other = {
      step: 3,
      groups: [{ ...at(0, values([1, 0])).groups[0]!, parameters: [named('1.weight')] }],
    }
    expect(() => signalToNoisePlot([at(0, values([1, 0])), other])).toThrow('step 3 has the groups 1.weight')
  })
})
