import { describe, expect, it } from 'vitest'
import { compile, fillRandom, random, referenceEngine } from '../src/index.ts'
import { philox } from '../src/random.ts'

const words = (counter: readonly number[], key: readonly number[]): string[] => {
  const out = new Uint32Array(4)
  const [c0, c1, c2, c3] = counter as [number, number, number, number]
  philox(c0, c1, c2, c3, key[0]!, key[1]!, out)
  return Array.from(out, (word) => word.toString(16).padStart(8, '0'))
}

describe('the generator', () => {
  it('gives the published answers of Philox 4×32-10', () => {
    const ones = 0xffffffff
    expect(words([0, 0, 0, 0], [0, 0])).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8'])
    expect(words([ones, ones, ones, ones], [ones, ones])).toEqual([
      '408f276d',
      '41c83b0e',
      'a20bc7c6',
      '6d5451fd',
    ])
    expect(words([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      'd16cfe09',
      '94fdcceb',
      '5001e420',
      '24126ea1',
    ])
  })
})

function filled(
  distribution: 'uniform' | 'normal',
  shape: readonly [number, number, number],
  step = 0,
): Float64Array {
  const target = new Float64Array(shape[0] * shape[1] * shape[2])
  fillRandom({ distribution, seed: 3, stream: 'test' }, step, ...shape, target)
  return target
}

const moments = (x: Float64Array): readonly [number, number] => {
  const mean = x.reduce((a, b) => a + b, 0) / x.length
  return [mean, x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length]
}

describe('random numbers', () => {
  it('uniform ones lie inside of (0, 1) and fill it', () => {
    const x = filled('uniform', [1, 100, 100])
    expect(Math.min(...x)).toBeGreaterThan(0)
    expect(Math.max(...x)).toBeLessThan(1)
    const [mean, variance] = moments(x)
    expect(mean).toBeCloseTo(1 / 2, 1.5)
    expect(variance).toBeCloseTo(1 / 12, 2)
    const single = new Float32Array(10_000)
    fillRandom({ distribution: 'uniform', seed: 3, stream: 'test' }, 0, 1, 100, 100, single)
    expect(Math.max(...single)).toBeLessThan(1)
  })

  it('normal ones have mean 0, variance 1, and no correlation between neighbours of any kind', () => {
    const [draws, samples, positions] = [20, 40, 20]
    const x = filled('normal', [draws, samples, positions])
    const [mean, variance] = moments(x)
    expect(mean).toBeCloseTo(0, 1)
    expect(variance).toBeCloseTo(1, 1)
    const next = filled('normal', [draws, samples, positions], 1)
    const correlation = (shifted: (i: number) => number): number =>
      x.reduce((sum, value, i) => sum + value * shifted(i), 0) / x.length
    for (const by of [1, positions, positions * samples]) {
      expect(Math.abs(correlation((i) => x[(i + by) % x.length]!))).toBeLessThan(0.04)
    }
    expect(Math.abs(correlation((i) => next[i]!))).toBeLessThan(0.04)
  })

  it('belong to draw, sample and position, whatever else is drawn', () => {
    const whole = filled('normal', [3, 5, 4])
    const part = filled('normal', [2, 3, 2])
    for (let draw = 0; draw < 2; draw++) {
      for (let sample = 0; sample < 3; sample++) {
        for (let position = 0; position < 2; position++) {
          expect(part[(draw * 3 + sample) * 2 + position]).toBe(whole[(draw * 5 + sample) * 4 + position])
        }
      }
    }
  })

  it('are those of the sample, wherever the batch begins, unless they belong to none', async () => {
    const engine = referenceEngine()
    const draw = (count: number, first: number, shared: boolean): Promise<number[]> => {
      const source = { distribution: 'normal', seed: 3, stream: 'test', shared } as const
      const run = compile(() => ({ x: random([1, count, 2], source) }), { engine, first: () => first })
      return run().then(({ x }) => Array.from(x.data))
    }
    const whole = await draw(5, 0, false)
    expect(await draw(2, 3, false)).toEqual(whole.slice(6))
    expect(await draw(2, 3, true)).toEqual(whole.slice(0, 4))
  })

  it('have a shape that begins with draws and samples', () => {
    expect(() => random([1, -1], { distribution: 'normal', seed: 0, stream: '' })).toThrow('random: [1, -1]')
  })
})
