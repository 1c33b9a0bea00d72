/** @file Every method of a contribution says the same as P itself, whatever form its factors have. */
import {
  backward,
  type Contribution,
  crossEntropy,
  defineExtension,
  type Extension,
  gradientFlow,
  type Module,
  parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { Conv2d, Flatten, Linear, moduleOf, Sequential, Tanh } from '@beyondgrad/nn'
import {
  cast,
  concat,
  evaluate,
  fillRandom,
  floor,
  gather,
  intTensor,
  matmul,
  referenceEngine,
  reshape,
  sizeOf,
  sum,
  tensor,
  type Tensor,
  transpose,
  transposeLast,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'

const samples = 5
const seed = 3

function numbers(shape: readonly number[], stream: string): Tensor {
  const data = new Float32Array(sizeOf(shape))
  fillRandom({ distribution: 'normal', seed, stream }, 0, 1, 1, data.length, data)
  return tensor(data, { shape, dtype: 'float32' })
}

const labels = intTensor([0, 2, 1, 2, 0])

/** An embedding of positive, middle and negative inputs, twice, with a layer behind it. */
function readsTable(rows: number, width: number): Module {
  const table = parameter('table', {
    shape: [width, rows],
    dtype: 'float32',
    data: Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i)),
  })
  const head = Linear(6 * width, 3, { seed: 2 })
  const forward = (x: Tensor): Tensor => {
    const at = cast(floor(x).add(2), 'int32')
    const read = transpose(gather(table.value, at, 1), [1, 2, 0])
    const again = transpose(gather(table.value, cast(floor(x.mul(0.5)).add(2), 'int32'), 1), [1, 2, 0])
    return head(reshape(concat([read, again], 1).tanh(), [x.shape[0]!, -1]))
  }
  return moduleOf(forward, [table, ...[...head.parameters].map(([p]) => p)])
}

const shared = Linear(4, 4, { seed: 1 })
const nets: Readonly<Record<string, { readonly input: readonly number[]; readonly model: Module }>> = {
  'single positions (closed forms)': {
    input: [samples, 4],
    model: Sequential(Linear(4, 5, { seed: 1 }), Tanh(), Linear(5, 3, { seed: 2 })),
  },
  'few positions (Gram)': {
    input: [samples, 2, 6],
    model: Sequential(Linear(6, 7, { seed: 1 }), Tanh(), Flatten(), Linear(14, 3, { seed: 2 })),
  },
  'many positions and groups (direct)': {
    input: [samples, 4, 5, 5],
    model: Sequential(
      Conv2d(4, 4, 2, { groups: 2, padding: 1, seed: 1 }),
      Tanh(),
      Flatten(),
      Linear(144, 3, { seed: 2 }),
    ),
  },
  'strides and dilation': {
    input: [samples, 2, 9, 8],
    model: Sequential(
      Conv2d(2, 3, [2, 3], { stride: [2, 1], dilation: [1, 2], padding: [1, 0], seed: 1 }),
      Tanh(),
      Flatten(),
      Linear(60, 3, { seed: 2 }),
    ),
  },
  'windows so many that they are taken sample by sample': {
    input: [samples, 16, 56, 56],
    model: Sequential(
      Conv2d(16, 2, 5, { stride: 1, seed: 1 }),
      Tanh(),
      Flatten(),
      Linear(5408, 3, { seed: 2 }),
    ),
  },
  'a layer used twice': {
    input: [samples, 4],
    model: Sequential(shared, Tanh(), shared, Linear(4, 3, { seed: 2 })),
  },
  'a table read by index, some rows more than once': {
    input: [samples, 3],
    model: readsTable(4, 2),
  },
  'a large table of which little is read': {
    input: [samples, 3],
    model: readsTable(40, 3),
  },
  'a parameter joined with itself': {
    input: [samples, 4],
    model: (() => {
      const half = Linear(4, 3, { seed: 1, bias: false })
      const [weight] = [...half.parameters].map(([p]) => p)
      const doubled = (x: Tensor): Tensor =>
        matmul(concat([x, x], 1), concat([transposeLast(weight!.value), transposeLast(weight!.value)], 0))
      return moduleOf(doubled, [weight!])
    })(),
  },
}

const weights = numbers([samples], 'weights')

/** All that a contribution offers, next to the same from P; or only what is asked for. */
function both(
  ...only: readonly string[]
): Extension<ParameterMap<Record<string, readonly [Tensor, Tensor]>>> {
  return defineExtension({
    name: 'both',
    options: { only: only.join() },
    flow: gradientFlow,
    parameter: ({
      contribution,
      parameter,
    }: {
      contribution: Contribution
      parameter: { shape: readonly number[] }
    }) => {
      const all = contribution.materialize()
      const flat = reshape(all, [samples, -1])
      const vector = numbers(parameter.shape, 'vector')
      const total = sum(all, [0])
      const mean = all.mean([0], { keep: true })
      const column = reshape(weights, [samples, ...parameter.shape.map(() => 1)])
      const methods: Readonly<Record<string, readonly [Tensor, Tensor]>> = {
        sum: [contribution.sum(), total],
        weightedSum: [contribution.weightedSum(weights), sum(all.mul(column), [0])],
        squaredNorm: [contribution.squaredNorm(), sum(flat.square(), [1])],
        sumOfSquares: [contribution.sumOfSquares(), sum(all.square(), [0])],
        centredSumOfSquares: [contribution.centredSumOfSquares(), sum(all.sub(mean).square(), [0])],
        gram: [contribution.gram(), matmul(flat, transposeLast(flat))],
        dot: [contribution.dot(vector), sum(all.mul(vector), all.shape.map((_, i) => i).slice(1))],
      }
      const wanted = Object.entries(methods).filter(([name]) => only.length === 0 || only.includes(name))
      return Object.fromEntries(wanted)
    },
  })
}

describe.each(Object.entries(nets))('%s', (_name, { input, model }) => {
  // What else is asked for decides how each is computed.
  it.each([[[]], [['dot']], [['squaredNorm']], [['dot', 'squaredNorm']]])(
    'says the same as its per-sample gradients by %j (all if none)',
    async (only: readonly string[]) => {
      const loss = crossEntropy(model(numbers(input, 'input')), labels)
      const { result } = await evaluate(backward(loss, { result: both(...only) }), {
        engine: referenceEngine(),
      })
      expect(result.size).toBeGreaterThan(0)
      for (const [parameter, methods] of result) {
        for (const [method, [found, expected]] of Object.entries(methods)) {
          expect(found.shape, `${method} of ${parameter.name}`).toEqual(expected.shape)
          const scale = Math.max(...expected.data.map(Math.abs))
          expect(scale, `${method} of ${parameter.name}`).toBeGreaterThan(0)
          found.data.forEach((value, i) => {
            expect(Math.abs(value - expected.data[i]!), `${method} of ${parameter.name}`).toBeLessThan(
              1e-12 * scale + 1e-15,
            )
          })
        }
      }
    },
  )
})
