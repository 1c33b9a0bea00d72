/**
 * @file The identities of the quantities (section 11 of their specification) on every network: numbers 1, 2, 5 and 8. Number 7 is in
 * scaling.test.ts, 3 and 4 are in kronecker.test.ts, 9 in geometry.test.ts, and 8 over batches in accumulate.test.ts.
 */
import {
  backward,
  crossEntropy,
  type Extension,
  loss as ownLoss,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { rows } from '@beyondgrad/nn'
import {
  evaluate,
  eye,
  logSoftmax,
  mul,
  type NDArray,
  oneHot,
  referenceEngine,
  softmax,
  sqrt,
  sub,
  type Tensor,
  tensor,
  transpose,
  unsqueeze,
} from '@beyondgrad/tensor'
import type { Problem } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  BatchDiagGGN,
  BatchDiagGGNMC,
  BatchDiagHessian,
  BatchGradient,
  BatchJacobianL2,
  BatchL2,
  DiagEmpiricalFisher,
  DiagGGN,
  DiagGGNMC,
  DiagHessian,
  Gradient,
  GradientGram,
  KFLR,
  SqrtGGN,
  SqrtGGNMC,
  SumGradSquared,
  Variance,
} from '../src/index.ts'
import { close } from './closeness.ts'
import { gramOf } from './dense-blocks.ts'
import { plain } from './layer-networks.ts'
import { networks } from './networks.ts'

const engine = referenceEngine()
const rtol = 1e-10

const firstOrder = {
  gradient: Gradient(),
  each: BatchGradient(),
  norms: BatchL2(),
  squares: SumGradSquared(),
  variance: Variance(),
}

type Quantities = Readonly<Record<string, Extension<ParameterMap<Tensor>>>>
type Values<X> = { readonly [K in keyof X]: ParameterMap<NDArray> }

async function quantitiesOf<X extends Quantities>(
  { model, loss, inputs, targets }: Problem,
  extensions: X,
  options: { readonly memory?: number } = {},
): Promise<Values<X>> {
  return (await evaluate(backward(loss(model(inputs), targets), extensions, options), {
    engine,
  })) as Values<X>
}

function expectAll(
  found: ParameterMap<NDArray>,
  expected: (name: string) => ArrayLike<number>,
  what: string,
): void {
  for (const [parameter, { data }] of found)
    close(data, expected(parameter.name), rtol, `${what} of ${parameter.name}`)
}

/** Of [N, P], Σₙ f(row n). */
function overRows({ shape, data }: NDArray, f: (x: number) => number): number[] {
  const columns = data.length / shape[0]!
  return Array.from({ length: columns }, (_, p) =>
    Array.from({ length: shape[0]! }, (__, n) => f(data[n * columns + p]!)).reduce((a, b) => a + b, 0),
  )
}

/** Of [V, N, P], Σ over columns and samples of the squares. */
const overColumns = ({ shape, data }: NDArray): number[] => {
  const [columns, count, ...own] = shape as [number, number, ...number[]]
  return overRows({ shape: [columns * count, ...own], dtype: 'float32', data }, (v) => v * v)
}

async function permuted(
  { model, loss, inputs, targets }: Problem,
  order: readonly number[],
): Promise<Problem> {
  const values = await evaluate({ inputs, targets }, { engine })
  return {
    model,
    loss,
    inputs: tensor(rows(values.inputs, order)),
    targets: tensor(rows(values.targets as NDArray, order)),
  }
}

const samples = 3
const secondOrder: Quantities = { ggn: DiagGGN(), hessian: DiagHessian() }

type Move = (values: NDArray, order: readonly number[]) => NDArray

/** How what belongs to samples moves with them. */
const perSample: Readonly<Record<string, Move>> = {
  each: rows,
  norms: rows,
  byHessian: rows,
  byGGN: rows,
  jacobians: rows,
  gram: ({ shape, dtype, data }, order) => ({
    shape,
    dtype,
    data: data.map((_, at) => data[order[Math.floor(at / samples)]! * samples + order[at % samples]!]!),
  }),
  columns: ({ shape, dtype, data }, order) => {
    const size = data.length / shape[0]! / samples
    const from = (at: number): number => {
      const [column, n] = [Math.floor(at / size / samples), Math.floor(at / size) % samples]
      return (column * samples + order[n]!) * size + (at % size)
    }
    return { shape, dtype, data: data.map((_, at) => data[from(at)]!) }
  },
}

describe.each(networks)('$name', (network) => {
  const problem = (): Problem => network.problem(samples)

  it('1: individual gradients sum to the gradient, and are what norms, squares and variance are made of', async () => {
    const { gradient, each, norms, squares, variance } = await quantitiesOf(problem(), firstOrder)
    expectAll(gradient, (name) => overRows(each.get(name), (g) => g), 'gradient')
    expectAll(squares, (name) => overRows(each.get(name), (g) => g * g), 'squares')
    for (const [parameter, { shape, data }] of norms) {
      expect(shape).toEqual([samples])
      const own = each.get(parameter)
      const columns = own.data.length / samples
      const expected = Array.from({ length: samples }, (_, n) =>
        own.data.slice(n * columns, (n + 1) * columns).reduce((sum, g) => sum + g * g, 0),
      )
      close(data, expected, rtol, `norms of ${parameter.name}`)
    }
    for (const [parameter, { data }] of variance) {
      const [square, total] = [squares.get(parameter).data, gradient.get(parameter).data]
      const scale = Math.max(1e-9, ...square) / samples
      data.forEach((v, i) => {
        const expected = square[i]! / samples - (total[i]! / samples) ** 2
        expect(Math.abs(v - expected) / scale, `variance of ${parameter.name}, element ${i}`).toBeLessThan(
          1e-10,
        )
        expect(v).toBeGreaterThanOrEqual(0)
      })
    }
  })

  it('1: inner products have the norms on their diagonal, and the sum’s own norm as their sum', async () => {
    const { gradient, norms, gram } = await quantitiesOf(problem(), {
      gradient: Gradient(),
      norms: BatchL2(),
      gram: GradientGram(),
    })
    expectAll(norms, (name) => gram.get(name).data.filter((_, at) => at % (samples + 1) === 0), 'norms')
    for (const [parameter, { data }] of gram) {
      const total = data.reduce((a, b) => a + b, 0)
      const norm = gradient.get(parameter).data.reduce((sum, g) => sum + g * g, 0)
      // Of what cancels only the size of its terms is exact.
      const scale = data.reduce((sum, x) => sum + Math.abs(x), 1e-9)
      expect(Math.abs(total - norm) / scale, parameter.name).toBeLessThan(rtol)
    }
  })

  it('2: what belongs to samples sums to what belongs to all', async () => {
    const { hessian, byHessian } = await quantitiesOf(problem(), {
      hessian: DiagHessian(),
      byHessian: BatchDiagHessian(),
    })
    expectAll(hessian, (name) => overRows(byHessian.get(name), (h) => h), 'hessian')
    if (network.indefinite) return
    const sampling = { samples: 2, seed: 3 }
    const found = await quantitiesOf(problem(), {
      ggn: DiagGGN(),
      byGGN: BatchDiagGGN(),
      columns: SqrtGGN(),
      drawn: DiagGGNMC(sampling),
      byDrawn: BatchDiagGGNMC(sampling),
      drawnColumns: SqrtGGNMC(sampling),
    })
    expectAll(found.ggn, (name) => overRows(found.byGGN.get(name), (g) => g), 'ggn')
    expectAll(found.drawn, (name) => overRows(found.byDrawn.get(name), (g) => g), 'drawn ggn')
    expectAll(found.ggn, (name) => overColumns(found.columns.get(name)), 'ggn')
    expectAll(found.drawn, (name) => overColumns(found.drawnColumns.get(name)), 'drawn ggn')
  })

  it('8: permuting the samples permutes what belongs to them, and nothing else changes', async () => {
    const order = [2, 0, 1]
    const extensions = {
      ...firstOrder,
      ...secondOrder,
      byHessian: BatchDiagHessian(),
      gram: GradientGram(),
      jacobians: BatchJacobianL2(),
      ...(!network.indefinite && {
        byGGN: BatchDiagGGN(),
        columns: SqrtGGN(),
        fisher: DiagEmpiricalFisher(),
      }),
    }
    const given = problem()
    const before = await quantitiesOf(given, extensions)
    const after = await quantitiesOf(await permuted(given, order), extensions)
    for (const key of Object.keys(extensions) as (keyof typeof extensions)[]) {
      const moved = perSample[key] ?? ((values: NDArray) => values)
      expectAll(after[key]!, (name) => moved(before[key]!.get(name), order).data, key)
    }
  })

  it('second order is the same in one piece and one column at a time', async () => {
    const extensions = secondOrder
    const whole = await quantitiesOf(problem(), extensions)
    const pieces = await quantitiesOf(problem(), extensions, { memory: 1 })
    for (const key of Object.keys(extensions))
      expectAll(pieces[key]!, (name) => whole[key]!.get(name).data, key)
  })
})

describe('8: nothing of Kronecker factors belongs to a sample', () => {
  // A part of a weight has none.
  const factored = networks.filter(({ name, indefinite }) => indefinite !== true && !name.includes('cut out'))

  it.each(factored)('$name', async ({ problem }) => {
    const factorsOf = async ({ model, loss, inputs, targets }: Problem) =>
      (await evaluate(backward(loss(model(inputs), targets), { kflr: KFLR() }), { engine })).kflr
    const given = problem(samples)
    const before = await factorsOf(given)
    const after = await factorsOf(await permuted(given, [2, 0, 1]))
    for (const [parameter, { output, input }] of before) {
      close(after.get(parameter).output.data, output.data, rtol, `output of ${parameter.name}`)
      if (input) close(after.get(parameter).input!.data, input.data, rtol, `input of ${parameter.name}`)
    }
  })
})

describe('5', () => {
  const piecewiseLinear = networks.filter(({ name }) => /^(one linear layer|ReLU net)/.test(name))

  it.each(piecewiseLinear)(
    '5: in a piecewise linear net the Hessian is the GGN: $name',
    async ({ problem }) => {
      const { ggn, hessian } = await quantitiesOf(problem(4), { ggn: DiagGGN(), hessian: DiagHessian() })
      expectAll(hessian, (name) => ggn.get(name).data, 'hessian')
    },
  )

  it('5: in a smooth net it is not', async () => {
    const tanh = plain.find(({ name }) => name.startsWith('tanh net'))!
    const { ggn, hessian } = await quantitiesOf(tanh.problem(4), { ggn: DiagGGN(), hessian: DiagHessian() })
    const difference = hessian.get('0.weight').data.map((x, i) => Math.abs(x - ggn.get('0.weight').data[i]!))
    expect(Math.max(...difference)).toBeGreaterThan(1e-3)
  })
})

/** BackPACK's root of the softmax's Hessian: C columns √p (e − p). */
const withEveryColumn = ownLoss<Tensor>(
  (output, target) => mul(logSoftmax(output), target).sum([-1]).mul(-1),
  {
    name: 'with-every-column',
    hessianRoot: ({ output }) => {
      const p = softmax(output)
      const classes = output.shape[1]!
      const columns = mul(sub(eye(classes), unsqueeze(p, [1])), unsqueeze(sqrt(p), [2]))
      return transpose(columns, [1, 0, 2])
    },
  },
)

describe('2: one column less than there are classes is enough', () => {
  const classifiers = networks.filter(({ draws, problem }) => {
    const { model, inputs } = problem(1)
    return draws === 'cross-entropy' && model(inputs).shape.length === 2
  })

  it.each(classifiers)('$name', async ({ problem }) => {
    const { model, inputs, targets } = problem(samples)
    const output = model(inputs)
    const classes = output.shape[1]!
    const extensions = { ggn: DiagGGN(), byGGN: BatchDiagGGN(), columns: SqrtGGN() }
    const labels = targets as Tensor<'int32'>
    const found = await evaluate(
      {
        less: backward(crossEntropy(output, labels), extensions),
        all: backward(withEveryColumn(output, oneHot(labels, classes)), extensions),
      },
      { engine },
    )
    const { less, all } = found
    expectAll(less.ggn, (name) => all.ggn.get(name).data, 'ggn')
    expectAll(less.byGGN, (name) => all.byGGN.get(name).data, 'ggn by sample')
    for (const [parameter, columns] of less.columns) {
      const more = all.columns.get(parameter)
      expect([columns.shape[0], more.shape[0]]).toEqual([classes - 1, classes])
      close(gramOf(columns), gramOf(more), rtol, `V Vᵀ of ${parameter.name}`)
    }
  })
})
