import { defineOp, labelRules, type Parameter, parameter, type Rule } from '@beyondgrad/autograd'
import {
  add,
  concat,
  expand,
  flip,
  matmul,
  neg,
  reshape,
  slice,
  softmax,
  sum,
  tanh,
  tensor,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkLabels, type LabelReport, randomExpressions } from '../src/index.ts'
import { numbers, randomTensor } from '../src/random-numbers.ts'
import { graphs, runs } from './seeds.ts'
import { mislabelled } from './wrong-ops.ts'

const sizes = [1, 2, 3, 5]

/** Inputs with samples on different axes, and shared ones. */
function leaves(seed: number, samples: number) {
  const random = numbers(seed)
  const labelled = [[samples, 2, 4] as const, [2, samples, 4] as const, [samples, 2, 3, 3] as const].map(
    (shape) => randomTensor(shape, random),
  )
  const shared = [[4], [1, 2, 4], [6, 4], [samples, 2]].map((shape) => randomTensor(shape, random))
  return { labelled, shared }
}

type Total = { -readonly [K in keyof LabelReport]: number }

function count(total: Total, report: LabelReport): void {
  for (const key of Object.keys(total) as (keyof LabelReport)[]) total[key] += report[key]
}

const none = (): Total => ({ labelled: 0, shared: 0, mixed: 0, falseAlarms: 0, opaque: 0 })

describe('labels of random graphs', () => {
  it('never call something a sample’s own that depends on another, for 1, 2, 3 and 5 samples', async () => {
    const total = none()
    await fc.assert(
      fc.asyncProperty(graphs, async ({ seed, steps }) => {
        const report = await checkLabels(
          (samples) => {
            const { labelled, shared } = leaves(seed, samples)
            const [a, b, c] = labelled as [Tensor, Tensor, Tensor]
            const others = randomExpressions([...labelled, ...shared], {
              seed,
              steps,
              weights: shared,
              largest: 2000,
            })
            return {
              outputs: [],
              others,
              samples: new Map([
                [a, 0],
                [b, 1],
                [c, 0],
              ]),
            }
          },
          { sizes },
        )
        count(total, report)
      }),
      runs(400),
    )
    // The graphs reach every verdict, and "mixed" is seldom said in vain.
    expect(total.labelled).toBeGreaterThan(5000)
    expect(total.mixed).toBeGreaterThan(200)
    expect(total.opaque).toBeGreaterThan(200)
    expect(total.falseAlarms).toBeLessThan(total.labelled / 20)
  })

  it('found backward from a loss put every sample’s row into its own row of the output', async () => {
    const total = none()
    await fc.assert(
      fc.asyncProperty(graphs, async ({ seed, steps }) => {
        const report = await checkLabels(
          (samples) => {
            const { labelled, shared } = leaves(seed, samples)
            const parameters = shared.map(asParameter)
            const made = randomExpressions([...labelled, ...parameters.map((p) => p.value)], {
              seed,
              steps,
              weights: parameters.map((p) => p.value),
              largest: 2000,
            })
            return { outputs: made.filter((x) => x.shape[0] === samples).slice(-1) }
          },
          { sizes },
        )
        count(total, report)
      }),
      runs(600),
    )
    expect(total.labelled).toBeGreaterThan(3000)
  })
})

const asParameter = (x: Tensor, i: number): Parameter =>
  parameter(`p${i}`, {
    shape: x.shape,
    dtype: 'float32',
    data: new Float32Array(x.shape.reduce((a, b) => a * b, 1)).fill(0.5),
  })

describe('labels', () => {
  const x = (...shape: number[]): Tensor => randomTensor(shape, numbers(1))
  const w = (...shape: number[]): Tensor => asParameter(x(...shape), 0).value

  it('follow samples through other axes and through axes that they share', async () => {
    const report = await checkLabels((n) => {
      const sequence = transpose(x(n, 4, 3), [1, 0, 2])
      const flat = tanh(matmul(reshape(sequence, [4 * n, 3]), w(3, 2)))
      return sum(reshape(flat, [4, n, 2]), [0])
    })
    expect(report).toMatchObject({ mixed: 0, opaque: 0, falseAlarms: 0 })
  })

  it('belong to a class token from where it is spread over the samples', async () => {
    const report = await checkLabels((n) => concat([expand(w(1, 1, 2), [n, 1, 2]), x(n, 3, 2)], 1))
    expect(report).toMatchObject({ mixed: 0, opaque: 0, falseAlarms: 0 })
  })

  it('don’t belong to what one user takes row by row and another as a whole', async () => {
    // The sum over all rows goes into every sample: no row of `spread` is one sample's own.
    const graph = (n: number): Tensor => {
      const spread = tanh(expand(w(1, 3), [n, 3]))
      return add(add(x(n, 3), spread), sum(spread, [0]))
    }
    await expect(checkLabels(graph)).resolves.toMatchObject({ mixed: 0 })
  })

  it('are mixed where samples meet, and said so at the op where they do', async () => {
    const graph = (n: number): Tensor => {
      const input = x(n, 3)
      return matmul(softmax(matmul(input, transpose(input))), w(n, 2))
    }
    const report = await checkLabels(graph, { sizes: [2, 3] })
    expect(report.mixed).toBeGreaterThan(0)
    expect(report.falseAlarms).toBe(0)
    // One sample meets no other.
    await expect(checkLabels(graph, { sizes: [1] })).resolves.toMatchObject({ mixed: 0, falseAlarms: 0 })
  })

  it('keep whole rounds of samples and refuse parts of them', async () => {
    const rounds = await checkLabels((n) => slice(concat([x(n, 2), x(n, 2)], 0), 0, n, 2 * n))
    expect(rounds.opaque).toBe(0)
    const parts = await checkLabels(
      (n) => ({ outputs: [], others: [slice(x(n, 2), 0, 1)], samples: new Map() }),
      { sizes: [3] },
    )
    expect(parts).toMatchObject({ labelled: 0 })
  })
})

describe('checkLabels', () => {
  it('names the op, the label and the samples of the first unsound entry', async () => {
    await expect(
      checkLabels((n) => neg(mislabelled(tensor(Array.from({ length: n }, (_, i) => i))))),
    ).rejects.toThrow(
      'with 2 samples, op "neg" has the label (axis 0, outer 1, inner 1), but element 0 of [2] depends on sample 1',
    )
  })

  it('looks at how shared tensors are used, not only at what they are made of', async () => {
    const graph = (n: number): Tensor => {
      const own = asParameter(tensor(Array.from({ length: n }, (_, i) => i)), 0).value
      return mislabelled(tanh(own))
    }
    await expect(checkLabels(graph)).rejects.toThrow(/"tanh" \[2\] is shared, and labelled as if each sample/)
  })
})

describe('ops that bring rules', () => {
  /** x backwards along an axis, in two steps so that the expansion has nodes of its own. */
  const backwards = (labels: Rule['labels']) => {
    const node = defineOp({
      name: 'test:backwards',
      expand: ([x], { axis }) => softmax(flip(x!, [axis as number]), -1),
      rule: { labels, curvature: 'unknown', vjp: (_node, g) => [g] },
    })
    return (x: Tensor, axis: number) => node([x], { axis })
  }
  const x = (samples: number): Tensor => randomTensor([samples, 3, 2], numbers(3))

  it('are looked at, and pass with the right labels', async () => {
    const op = backwards(labelRules.scanLabels)
    const report = await checkLabels((samples) => tanh(op(op(tanh(x(samples)), 1), 1)))
    // The input, two tanh, and the two ops themselves, for four numbers of samples.
    expect(report).toEqual({ labelled: 20, shared: 0, mixed: 0, falseAlarms: 0, opaque: 0 })
  })

  it('and are told where a label is wrong', async () => {
    const op = backwards(labelRules.broadcastLabels)
    await expect(checkLabels((samples) => op(tanh(x(samples)), 0))).rejects.toThrow(
      /op "test:backwards" has the label \(axis 0, .* depends on sample/,
    )
  })
})
