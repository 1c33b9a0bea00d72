/** @file Small convolutional networks with their derivatives, with enough samples for them to be last in memory. */
import {
  add,
  avgPool,
  avgPoolVjp,
  conv,
  convInput,
  convWeight,
  greater,
  matmul,
  maxPool,
  maxPoolVjp,
  relu,
  reshape,
  sizeOf,
  sum,
  tanh,
  type Tensor,
  unfold,
  where,
  windowOf,
  windowPositions,
} from '@beyondgrad/tensor'
import fc from 'fast-check'
import { it } from 'vitest'
import { expectAgreement, numbers, seeds } from './against-reference.ts'
import { geometries, type Geometry } from './window-geometry.ts'

/** Everything that a training step asks of convolution, bias, activation and pool, for one or several cotangents. */
function layer(
  x: Tensor,
  conv2: Geometry,
  pool: Geometry,
  groups: number,
  lead: readonly number[],
  seed: number,
) {
  const [n, channels, ...spatial] = x.shape
  const { window } = conv2
  const w = numbers([2 * groups, channels! / groups, ...window.kernel], seed + 1)
  const bias = numbers([2 * groups, ...window.kernel.map(() => 1)], seed + 2)
  const padding = window.before.map((b, i) => [b, window.after[i]!] as const)
  const { stride, dilation } = window
  const z = add(conv(x, w, { stride, dilation, padding, groups }), bias)
  const a = relu(z)
  const plane = z.shape.slice(2)
  const y = maxPool(a, pool.window.kernel, {
    stride: pool.window.stride,
    padding: pool.window.before.map((b, i) => [b, pool.window.after[i]!] as const),
  })
  const g = numbers([...lead, ...y.shape], seed + 3)
  const ga = maxPoolVjp(a, g, { ...pool.window, dilation: pool.window.kernel.map(() => 1) })
  const gz = where(greater(z, 0), ga, 0)
  const columns = sizeOf(lead)
  const flat = reshape(gz, [columns * n!, 2 * groups, ...plane])
  const geometry = { ...window, groups }
  const one = reshape(gz.slice(0, 0, 1), lead.length === 0 ? [1, ...gz.shape.slice(1)] : gz.shape.slice(1))
  const whole = lead.length === 0 ? gz : one
  return [
    y,
    gz,
    tanh(y),
    convInput(flat, w, geometry, spatial),
    convWeight(x, whole, geometry),
    sum(gz, [lead.length, ...plane.map((_, i) => lead.length + 2 + i)]),
    matmul(unfold(x, window), numbers([sizeOf(windowPositions('', spatial, window)), 2], seed + 4)),
    matmul(reshape(y, [n!, -1]), numbers([sizeOf(y.shape) / n!, 3], seed + 5)),
  ]
}

it('a layer and its derivatives', () =>
  fc.assert(
    fc.asyncProperty(
      geometries({ simple: true }),
      geometries({ pool: true, simple: true }),
      fc.record({
        n: fc.constantFrom(2, 16, 17),
        groups: fc.constantFrom(1, 1, 2),
        inner: fc.constantFrom(1, 2, 24),
        lead: fc.constantFrom<number[]>([], [1], [2], [3]),
        whole: fc.boolean(),
      }),
      seeds,
      async (first, pool, { n, groups, inner, lead, whole }, seed) => {
        fc.pre(first.spatial.length === pool.spatial.length)
        const { window } = first
        // A plane on which both windows fit.
        const spatial = pool.spatial.map((size, i) => {
          const reach = window.dilation[i]! * (window.kernel[i]! - 1) + 1
          return Math.max((size - 1) * window.stride[i]! + reach - window.before[i]! - window.after[i]!, 1)
        })
        const x = numbers([n, groups * inner, ...spatial], seed, whole)
        await expectAgreement(layer(x, first, pool, groups, lead, seed), { relative: 1e-4, absolute: 1e-4 })
      },
    ),
    { numRuns: 60 },
  ))

it('a whole network', async () => {
  const x = numbers([32, 3, 12, 12], 1)
  const weights = [
    numbers([8, 3, 3, 3], 2),
    numbers([8, 1, 1], 3),
    numbers([24, 8, 3, 3], 4),
    numbers([24, 1, 1], 5),
    numbers([24 * 4, 5], 6),
    numbers([5], 7),
  ] as const
  const average = { ...windowOf('', [2, 2], { stride: 2 }), countPadding: true }
  const z1 = add(conv(x, weights[0], { padding: 1 }), weights[1])
  const a1 = avgPool(relu(z1), [2, 2])
  const z2 = add(conv(a1, weights[2]), weights[3])
  const p2 = maxPool(relu(z2), [2, 2])
  const logits = add(matmul(reshape(p2, [32, -1]), weights[4]), weights[5])
  const g = numbers([32, 5], 8)
  const gp2 = reshape(matmul(g, weights[4].transpose()), p2.shape)
  const gz2 = where(greater(z2, 0), maxPoolVjp(relu(z2), gp2, windowOf('', [2, 2], { stride: 2 })), 0)
  const plain = { ...windowOf('', [3, 3]), groups: 1 }
  const ga1 = convInput(gz2, weights[2], plain, [6, 6])
  const gz1 = where(greater(z1, 0), avgPoolVjp(ga1, average, [12, 12]), 0)
  await expectAgreement(
    [
      logits,
      matmul(reshape(p2, [32, -1]).transpose(), g),
      convWeight(a1, gz2, plain),
      sum(gz2, [0, 2, 3]),
      convWeight(x, gz1, { ...windowOf('', [3, 3], { padding: 1 }), groups: 1 }),
      sum(gz1, [0, 2, 3]),
      sum(gz1.square(), [1, 2, 3]),
    ],
    { relative: 1e-4, absolute: 1e-3 },
  )
})
