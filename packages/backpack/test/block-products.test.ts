/** @file Products with diagonal blocks against dense ones, and the positive-curvature Hessian against its definition. */
import {
  backward,
  crossEntropy,
  gradient,
  hessian,
  jacobian,
  type Module,
  mseLoss,
  type Parameter,
} from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Linear, ReLU, Sequential } from '@beyondgrad/nn'
import {
  type Engine,
  evaluate,
  matmul,
  referenceEngine,
  sigmoid,
  silu,
  sizeOf,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { bruteForce } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import { GGNMP, HMP, PCHMP } from '../src/index.ts'
import { close } from './closeness.ts'
import { units } from './dense-blocks.ts'
import { data, labels, of, weight } from './network.ts'
import { networks } from './networks.ts'

const engine = referenceEngine()

describe.each(networks)('$name', ({ problem }) => {
  it('GGNMP and HMP are the rows of the dense blocks', async () => {
    for (const samples of [1, 3]) {
      const given = problem(samples)
      const at = await bruteForce(given)
      const loss = given.loss(given.model(given.inputs), given.targets)
      const { ggn, hessian } = await evaluate(
        backward(loss, { ggn: GGNMP({ vectors: units }), hessian: HMP({ vectors: units }) }),
        { engine },
      )
      for (const [parameter, { data, shape }] of ggn) {
        expect(shape).toEqual([sizeOf(parameter.shape), ...parameter.shape])
        close(data, (await at.ggn(parameter)).data)
        close(hessian.get(parameter).data, (await at.hessian(parameter)).data)
      }
    }
  })
})

/** Hidden values before and after an activation. */
interface Bend {
  readonly value: Tensor
  readonly after: Tensor
  /** φ'' there. */
  readonly second: (x: Float64Array) => Float64Array
}

const tanhBend = (x: Float64Array): Float64Array =>
  x.map((v) => {
    const y = Math.tanh(v)
    return -2 * y * (1 - y * y)
  })
const sigmoidBend = (x: Float64Array): Float64Array =>
  x.map((v) => {
    const y = 1 / (1 + Math.exp(-v))
    return y * (1 - y) * (1 - 2 * y)
  })

interface Activation {
  readonly name: string
  readonly call: (x: Tensor) => Tensor
  readonly second: (x: Float64Array) => Float64Array
}

const sigmoids: Activation = { name: 'sigmoid', call: sigmoid, second: sigmoidBend }
/** Composed of several ops, and one function all the same. */
const composed: Activation = {
  name: 'silu',
  call: silu,
  second: (x) =>
    x.map((v) => {
      const y = 1 / (1 + Math.exp(-v))
      return y * (1 - y) * (2 + v * (1 - 2 * y))
    }),
}

/** A chain of three layers, with what it computes in between laid open. */
function chain(last: Activation): {
  readonly parameters: readonly Parameter[]
  run(x: Tensor): { out: Tensor; bends: Bend[] }
} {
  const [a, b, c] = [weight('a', [3, 4], 1), weight('b', [4, 3], 1), weight('c', [3, 2], 1)]
  return {
    parameters: [a, b, c],
    run: (x) => {
      const first = matmul(x, a.value)
      const firstOut = first.tanh()
      const second = matmul(firstOut, b.value)
      const secondOut = last.call(second)
      const out = matmul(secondOut, c.value)
      return {
        out,
        bends: [
          { value: first, after: firstOut, second: tanhBend },
          { value: second, after: secondOut, second: last.second },
        ],
      }
    },
  }
}

/** Σ J_xᵀ diag(f(φ'' δ)) J_x over the bends, plus the GGN: by dense Jacobians. */
async function positiveBlock(
  positive: (eigenvalue: number) => number,
  parameter: Parameter,
  at: ReturnType<typeof chain>,
  x: Tensor,
  y: Tensor,
): Promise<Float64Array> {
  const { out, bends } = at.run(x)
  const size = sizeOf(parameter.shape)
  const block = new Float64Array(size * size)
  const add = (j: ArrayLike<number>, weights: ArrayLike<number>): void => {
    for (let e = 0; e < weights.length; e++)
      for (let p = 0; p < size; p++)
        for (let q = 0; q < size; q++)
          block[p * size + q]! += weights[e]! * j[e * size + p]! * j[e * size + q]!
  }
  const loss = mseLoss(out, y)
  // The squared error's Hessian is 2 / (N D) times the unit matrix.
  const root = await evaluate({ j: jacobian(out, parameter.value) }, { engine })
  add(root.j.data, Array<number>(sizeOf(out.shape)).fill(2 / sizeOf(out.shape)))
  for (const { value, after, second } of bends) {
    const found = await evaluate(
      { value, delta: gradient(loss, [after])[0]!, j: jacobian(value, parameter.value) },
      { engine },
    )
    const bend = second(Float64Array.from(found.value.data))
    add(
      found.j.data,
      bend.map((s, e) => positive(s * found.delta.data[e]!)),
    )
  }
  return block
}

describe('PCHMP', () => {
  const x = data('x', [3, 3])
  const y = data('y', [3, 2])

  it.each(
    [
      { eigenvalues: 'clip' as const, positive: (e: number) => Math.max(e, 0) },
      { eigenvalues: 'abs' as const, positive: Math.abs },
    ].flatMap((each) => [sigmoids, composed].map((last) => ({ ...each, last }))),
  )(
    'is its definition by dense Jacobians: $eigenvalues, $last.name',
    async ({ eigenvalues, positive, last }) => {
      const at = chain(last)
      const loss = mseLoss(at.run(x).out, y)
      const { pch } = await evaluate(backward(loss, { pch: PCHMP({ vectors: units, eigenvalues }) }), {
        engine,
      })
      for (const parameter of at.parameters) {
        close(pch.get(parameter).data, await positiveBlock(positive, parameter, at, x, y))
      }
    },
  )

  it('is GGNMP where nothing bends', async () => {
    const model = Sequential(Linear(3, 4, { seed: 1 }), ReLU(), Linear(4, 2, { seed: 2 }))
    const loss = mseLoss(model(x), y)
    const { pch, ggn } = await evaluate(
      backward(loss, { pch: PCHMP({ vectors: units }), ggn: GGNMP({ vectors: units }) }),
      { engine },
    )
    for (const [parameter, { data }] of ggn) close(pch.get(parameter).data, data)
  })

  /** A gate: both factors depend on the weight, so that pairs of entries have eigenvalues of either sign. */
  const gate = (): Module => {
    const w = weight('w', [3, 2], 1)
    return of([w], (v) => matmul(v, w.value).mul(sigmoid(matmul(v.tanh(), w.value))))
  }

  it.each(['clip', 'abs'] as const)(
    'is positive semi-definite where a gate is not: %s',
    async (eigenvalues) => {
      const model = gate()
      const loss = mseLoss(model(x), y)
      const result = await evaluate(
        backward(loss, { pch: PCHMP({ vectors: units, eigenvalues }), full: HMP({ vectors: units }) }),
        { engine },
      )
      const quadratic = (rows: ArrayLike<number>, seed: number): number => {
        const v = Array.from({ length: 6 }, (_, i) => Math.sin(seed * 7 + i * i + seed * i))
        return v.reduce((s, a, i) => s + v.reduce((t, b, j) => t + a * b * rows[i * 6 + j]!, 0), 0)
      }
      const seeds = Array.from({ length: 200 }, (_, i) => i)
      for (const [, { data }] of result.pch) {
        expect(Math.min(...seeds.map((seed) => quadratic(data, seed)))).toBeGreaterThan(-1e-10)
        // Symmetric.
        for (let i = 0; i < 6; i++)
          for (let j = 0; j < 6; j++) expect(data[i * 6 + j]).toBeCloseTo(data[j * 6 + i]!, 10)
      }
    },
  )

  it('is the Hessian of a product where its pairs are positive: w² with a positive slope', async () => {
    const w = weight('w', [4], 1)
    const model = of([w], (v) => v.mul(w.value.mul(w.value)))
    // The slope at w² is 2 · output · v / size: with positive data, and target 0, positive.
    const positive = tensor(Float32Array.from([1, 2, 0.5, 1.5, 0.3, 1, 2, 0.7]), {
      shape: [2, 4],
      dtype: 'float32',
    })
    const loss = mseLoss(model(positive), tensor(new Float32Array(8), { shape: [2, 4], dtype: 'float32' }))
    const { pch, full } = await evaluate(
      backward(loss, { pch: PCHMP({ vectors: units, eigenvalues: 'abs' }), full: HMP({ vectors: units }) }),
      { engine },
    )
    for (const [parameter, { data }] of full) close(pch.get(parameter).data, data)
  })

  it('names the op whose eigenvalues nobody knows', () => {
    const w = weight('w', [3, 3])
    const model = of([w], (v) => {
      const z = matmul(v, w.value)
      return matmul(z, z.transpose([0, 2, 1])).mean([2])
    })
    const loss = crossEntropy(model(data('x', [2, 3, 3])), labels(2, 3))
    expect(() => backward(loss, { pch: PCHMP({ vectors: units }) })).toThrow(
      /^pchmp: .*"matmul".*\[2, 3, 3\].*GGN or the Hessian/,
    )
  })
})

describe('products with blocks', () => {
  it('work where samples mix', async () => {
    const w = weight('w', [3, 3])
    const model = of([w], (v) => {
      const z = matmul(v, w.value)
      return z.sub(z.mean([0], { keep: true })).tanh()
    })
    const loss = mseLoss(model(data('x', [4, 3])), data('y', [4, 3]))
    const { mp, dense } = await evaluate(
      { mp: backward(loss, { mp: HMP({ vectors: units }) }).mp, dense: hessian(loss, w.value) },
      { engine },
    )
    close(mp.get('w').data, dense.data)
  })

  it.each([
    { name: 'reference engine', on: engine, rtol: 1e-9 },
    { name: 'onnxruntime', on: onnxruntime(), rtol: 1e-5 },
  ] as readonly { readonly name: string; readonly on: Engine; readonly rtol: number }[])(
    'take many vectors at once, or none: $name',
    async ({ on, rtol }) => {
      const model = Sequential(Linear(3, 4, { seed: 1 }), Linear(4, 2, { seed: 2 }))
      const loss = mseLoss(model(data('x', [3, 3])), data('y', [3, 2]))
      const pair = ({ name, shape }: Parameter): Tensor => data(`v ${name}`, [2, ...shape])
      const one = (p: Parameter): Tensor => pair(p).slice(0, 1, 2)
      const none = (p: Parameter): Tensor => pair(p).slice(0, 0, 0)
      const result = await evaluate(
        backward(loss, {
          both: HMP({ vectors: pair }),
          second: HMP({ vectors: one }),
          none: GGNMP({ vectors: none }),
        }),
        { engine: on },
      )
      for (const [parameter, { data }] of result.both) {
        close(data.subarray(data.length / 2), result.second.get(parameter).data, rtol)
        expect(result.none.get(parameter).shape).toEqual([0, ...parameter.shape])
      }
    },
  )

  it('say which vectors have the wrong shape', () => {
    const model = Linear(3, 2, { seed: 1 })
    const loss = mseLoss(model(data('x', [3, 3])), data('y', [3, 2]))
    expect(() => backward(loss, { mp: GGNMP({ vectors: () => data('v', [2, 3]) }) })).toThrow(
      'ggnmp: the vectors for "weight" have shape [2, 3]; give [K, 2, 3] for K of them',
    )
    expect(() => PCHMP({ vectors: units, eigenvalues: 'cut' as never })).toThrow('"clip" or "abs", not "cut"')
  })
})
