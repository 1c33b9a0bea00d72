/** @file Spectral densities against spectra that are known. */
import { mseLoss } from '@beyondgrad/autograd'
import { Linear, Sequential, Tanh } from '@beyondgrad/nn'
import { referenceEngine } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { defineLinearOperator, GGNOperator, type LinearOperator, spectralDensity } from '../../src/index.ts'
import { data } from '../network.ts'

const diagonal = (values: readonly number[]): LinearOperator =>
  defineLinearOperator({
    name: 'diagonal',
    shape: [values.length, values.length],
    symmetric: true,
    matvec: (vector) => vector.map((x, i) => x * values[i]!),
  })

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0)

describe('spectralDensity', () => {
  it('sees few distinct eigenvalues at their places, with about their shares', async () => {
    // A quarter of the dimensions at 5, the others at 0 and 1.
    const values = Array.from({ length: 400 }, (_, i) => [5, 0, 1, 1][i % 4]!)
    const { nodes, weights, dimension, matvecs } = await spectralDensity(diagonal(values), {
      vectors: 20,
      seed: 3,
    })
    expect(dimension).toBe(400)
    // Three products each are all there is to find.
    expect(matvecs).toBe(60)
    const shareAt = (place: number): number =>
      nodes.reduce((total, node, i) => total + (Math.abs(node - place) < 1e-9 ? weights[i]! : 0), 0)
    expect(shareAt(5)).toBeCloseTo(0.25, 1)
    expect(shareAt(1)).toBeCloseTo(0.5, 1)
    expect(shareAt(0) + shareAt(1) + shareAt(5)).toBeCloseTo(1, 9)
  })

  it('integrates to one, is smoothed as it says, and has the trace', async () => {
    const values = Array.from({ length: 30 }, (_, i) => i / 10)
    const { grid, nodes, weights, width } = await spectralDensity(diagonal(values), {
      vectors: 200,
      steps: 8,
      points: 900,
    })
    const spacing = grid.at[1]! - grid.at[0]!
    expect(sum(grid.density) * spacing).toBeCloseTo(1, 4)
    expect(width).toBeCloseTo((nodes.at(-1)! - nodes[0]!) / 100, 12)
    const mean = nodes.reduce((total, node, i) => total + node * weights[i]!, 0)
    expect(mean).toBeCloseTo(1.45, 1)
    const wide = await spectralDensity(diagonal([2]), { width: 0.5, points: 3 })
    expect([...wide.grid.at]).toEqual([-0.5, 2, 4.5])
    expect(wide.grid.density[1]).toBeCloseTo(1 / (0.5 * Math.sqrt(2 * Math.PI)), 12)
    expect(wide.width).toBe(0.5)
  })

  it('of the generalised Gauss-Newton matrix: its largest eigenvalue, and zeros', async () => {
    const model = Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 2, { seed: 2 }))
    const operator = await GGNOperator({
      loss: ({ x, y }) => mseLoss(model(x), y),
      data: [{ x: data('x', [3, 3]), y: data('y', [3, 2]) }],
      engine: referenceEngine(),
    })
    const dense = await operator.toDense()
    const trace = sum(Array.from({ length: dense.rows }, (_, i) => dense.data[i * dense.rows + i]!))
    const { nodes, weights, dimension } = await spectralDensity(operator, { vectors: 400 })
    const estimate = nodes.reduce((total, node, i) => total + node * weights[i]!, 0) * dimension
    expect(Math.abs(estimate / trace - 1)).toBeLessThan(0.2)
    expect(nodes[0]! / nodes.at(-1)!).toBeGreaterThan(-1e-9)
  })

  it('the same seed gives the same numbers, another one others', async () => {
    const operator = diagonal(Array.from({ length: 50 }, (_, i) => i))
    const [a, b, c] = await Promise.all(
      [1, 1, 2].map((seed) => spectralDensity(operator, { seed, steps: 5 })),
    )
    expect(a).toEqual(b)
    expect(a!.nodes).not.toEqual(c!.nodes)
  })

  it('what makes no sense is said', async () => {
    await expect(spectralDensity(diagonal([1]), { width: 0 })).rejects.toThrow(
      'width must be a positive number, not 0',
    )
    await expect(spectralDensity(diagonal([1]), { steps: 0 })).rejects.toThrow(
      'steps must be an integer of at least 1',
    )
    await expect(spectralDensity(diagonal([]))).rejects.toThrow('has no rows')
    const other = defineLinearOperator({ name: 'other', shape: [2, 2], matvec: (v) => v })
    await expect(spectralDensity(other)).rejects.toThrow('other must be symmetric')
  })
})
