/**
 * @file Random numbers as pure functions of where they are used: a counter-based generator (Philox 4×32-10; Salmon,
 * Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Draws are keyed by seed, stream,
 * step, sample, draw and position, so that sub-sampling, chunking and the engine don't change them.
 */
import { hashString } from './hash.ts'

/** Uniform in (0, 1), or standard normal (Box and Muller). */
export type Distribution = 'uniform' | 'normal'

/** What random numbers are drawn from. */
export interface RandomSource {
  readonly distribution: Distribution
  readonly seed: number
  /** Tells apart the uses of one seed. */
  readonly stream: string
  /** The numbers belong to no sample: they are the same whichever part of the data the samples of a run are. Default: false. */
  readonly shared?: boolean
}

function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const low = a0 * b0
  const mid = a1 * b0 + (low >>> 16)
  const cross = (mid & 0xffff) + a0 * b1
  return (a1 * b1 + Math.floor(mid / 65536) + Math.floor(cross / 65536)) >>> 0
}

/** Ten rounds of Philox 4×32; writes four words of 32 random bits into `out`. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    const h0 = multiplyHigh(0xd2511f53, c0 >>> 0)
    const l0 = Math.imul(0xd2511f53, c0)
    const h1 = multiplyHigh(0xcd9e8d57, c2 >>> 0)
    const l1 = Math.imul(0xcd9e8d57, c2)
    c0 = h1 ^ c1 ^ k0
    c1 = l1
    c2 = h0 ^ c3 ^ k1
    c3 = l0
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

/**
 * Fills `[draws, samples, positions]`, row-major, for one step. Uniform numbers lie inside (0, 1).
 *
 * @param first the number of the first sample among all of the data
 */
export function fillRandom(
  source: RandomSource,
  step: number,
  draws: number,
  samples: number,
  positions: number,
  target: Float32Array | Float64Array,
  first = 0,
): void {
  const words = new Uint32Array(4)
  const key1 = hashString(source.seed | 0, source.stream)
  for (let draw = 0, at = 0; draw < draws; draw++) {
    for (let sample = 0; sample < samples; sample++) {
      for (let position = 0; position < positions; position++, at++) {
        philox(first + sample, position, draw, step, source.seed | 0, key1, words)
        // 53 random bits, moved off zero; clamped below 1 in single precision.
        const u = ((words[0]! >>> 5) * 67108864 + (words[1]! >>> 6) + 0.5) * 2 ** -53
        if (source.distribution === 'uniform') target[at] = Math.min(u, 0.99999994)
        else target[at] = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * words[2]! * 2 ** -32)
      }
    }
  }
}
