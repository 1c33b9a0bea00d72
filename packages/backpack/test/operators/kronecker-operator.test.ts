/** @file Kronecker and diagonal operators against their dense matrices, and their inverses against the identity. */
import {
  backward,
  type Extension,
  type KroneckerFactors,
  type Module,
  mseLoss,
  type ParameterMap,
} from '@beyondgrad/autograd'
import { onnxruntime } from '@beyondgrad/engine-onnxruntime'
import { Conv2d, ConvTranspose1d, Embedding, Flatten, Linear, Sequential } from '@beyondgrad/nn'
import {
  type AnyTensor,
  evaluate,
  intTensor,
  namedMap,
  type NDArray,
  referenceEngine,
  type Shape,
  type Tensor,
} from '@beyondgrad/tensor'
import { bruteForce } from '@beyondgrad/testing'
import { describe, expect, it } from 'vitest'
import {
  DiagGGN,
  diagonal,
  DiagonalOperator,
  inverse,
  KFAC,
  KFLR,
  KFRA,
  type KroneckerArrays,
  KroneckerOperator,
  type LinearOperator,
  logdet,
  PlacedFactors,
  trace,
} from '../../src/index.ts'
import { data, of, weight } from '../network.ts'
import { close } from '../closeness.ts'
import { diagonalOf, normal, semidefinite, traceOf } from './dense.ts'

const engine = referenceEngine()
const array = (shape: Shape, values: ArrayLike<number>): NDArray => ({
  shape,
  dtype: 'float32',
  data: Float64Array.from(values) as ArrayLike<number> as Float32Array,
})
const factor = (name: string, size: number, delta = 0.1): NDArray =>
  array([size, size], semidefinite(name, size, size, delta).data)
const grouped = (name: string, groups: number, size: number): NDArray =>
  array(
    [groups, size, size],
    Array.from({ length: groups }, (_, g) => [...factor(`${name}${g}`, size).data]).flat(),
  )

/** Everything that an operator of blocks knows is that of its dense matrix. */
async function checkKnown(operator: LinearOperator): Promise<void> {
  const matrix = await operator.toDense()
  const size = matrix.rows
  close((await diagonal(operator)).value, diagonalOf(matrix), 1e-10)
  expect((await trace(operator)).value).toBeCloseTo(traceOf(matrix), 9)
  const { value, method } = await logdet(operator)
  expect(method).toBe('exact')
  expect(value).toBeCloseTo(logOfDeterminant(matrix.data, size), 8)
  const inverted = inverse(operator)
  const identity = await operator.compose(inverted).toDense()
  close(
    identity.data,
    identity.data.map((_, k) => (k % (size + 1) === 0 ? 1 : 0)),
    1e-9,
  )
  const { residual, iterations } = await inverted.solve(normal('b', size))
  expect(residual).toBeLessThan(1e-9)
  expect(iterations).toBe(0)
  close((await inverse(inverted).toDense()).data, matrix.data, 1e-9)
  close(
    (await operator.scale(3).toDense()).data,
    matrix.data.map((x) => 3 * x),
    1e-12,
  )
  expect(operator.symmetric).toBe(true)
  for (let k = 0; k < size * size; k++) {
    expect(Math.abs(matrix.data[k]! - matrix.data[(k % size) * size + Math.floor(k / size)]!)).toBeLessThan(
      1e-9,
    )
  }
}

/** By Gaussian elimination. */
function logOfDeterminant(data: Float64Array, size: number): number {
  const a = data.slice()
  let sum = 0
  for (let i = 0; i < size; i++) {
    sum += Math.log(a[i * size + i]!)
    for (let r = i + 1; r < size; r++) {
      const f = a[r * size + i]! / a[i * size + i]!
      for (let c = i; c < size; c++) a[r * size + c]! -= f * a[i * size + c]!
    }
  }
  return sum
}

const parts: readonly (readonly [string, Shape, KroneckerArrays])[] = [
  ['weight', [3, 2], { output: factor('B', 3), input: factor('A', 2) }],
  ['kernel', [4, 2, 1, 3], { output: grouped('Bg', 2, 2), input: grouped('Ag', 2, 6) }],
  ['bias', [3], { output: factor('b', 3) }],
  ['table', [4, 2], { output: factor('E', 2), input: array([4], [0.1, 0.2, 0.3, 0.4]) }],
  ['empty', [0], { output: array([0, 0], []) }],
  [
    'turned',
    [2, 3],
    { output: factor('B', 3), input: factor('A', 2), rows: array([2, 3], [0, 2, 4, 1, 3, 5]) },
  ],
]
const all = namedMap(parts.map(([name, shape, factors]) => [{ name, shape }, factors] as const))

describe('a Kronecker operator', () => {
  const operator = KroneckerOperator(all)

  it('knows its diagonal, trace, determinant and inverse', () => checkKnown(operator))
  it('and so with δ I added, by eigenvectors', async () => {
    const damped = operator.damped(0.3)
    const { data: before, rows: size } = await operator.toDense()
    close(
      (await damped.toDense()).data,
      before.map((x, k) => x + (k % (size + 1) === 0 ? 0.3 : 0)),
      1e-11,
    )
    await checkKnown(damped)
    close((await damped.damped(-0.3).toDense()).data, before, 1e-11)
  })

  it('and so with damped factors, in the balance of their traces', async () => {
    const damped = operator.factorDamped(0.3)
    await checkKnown(damped)
    const [b, a] = [semidefinite('B', 3, 3, 0.1), semidefinite('A', 2, 2, 0.1)]
    const pi = Math.sqrt(traceOf(a) / 2 / (traceOf(b) / 3))
    const root = Math.sqrt(0.3)
    const expected = Float64Array.from({ length: 36 }, (_, k) => {
      const [p, q] = [Math.floor(k / 6), k % 6]
      const [o, o2, i, i2] = [Math.floor(p / 2), Math.floor(q / 2), p % 2, q % 2]
      const left = b.data[o * 3 + o2]! + (o === o2 ? root / pi : 0)
      return left * (a.data[i * 2 + i2]! + (i === i2 ? pi * root : 0))
    })
    close((await damped.restrict(['weight']).toDense()).data, expected, 1e-12)
    const bias = semidefinite('b', 3, 3, 0.1).data.map((x, k) => x + (k % 4 === 0 ? 0.3 : 0))
    close((await damped.restrict(['bias']).toDense()).data, bias, 1e-12)
  })

  it('tells the entries of a table and of a placement apart', async () => {
    const table = (await operator.restrict(['table']).toDense()).data
    const block = semidefinite('E', 2, 2, 0.1).data
    // Row 2 of the table, entries 0 and 1.
    expect(table[4 * 8 + 5]).toBeCloseTo(0.3 * block[1]!, 12)
    expect(table[4 * 8 + 3]).toBe(0)
    const turned = (await operator.restrict(['turned']).toDense()).data
    const plain = (await operator.restrict(['weight']).toDense()).data
    const rows = [0, 2, 4, 1, 3, 5]
    close(
      turned,
      Float64Array.from({ length: 36 }, (_, k) => plain[rows[Math.floor(k / 6)]! * 6 + rows[k % 6]!]!),
    )
  })

  it('says what is wrong', () => {
    const one =
      (factors: KroneckerArrays, shape: Shape = [3, 2]) =>
      () =>
        KroneckerOperator(namedMap([[{ name: 'w', shape }, factors] as const]))
    const [b, a] = [factor('B', 3), factor('A', 2)]
    expect(one({ output: b, input: a }, [2, 3])).toThrow(
      /"w" of shape \[2, 3\] is not laid out \[out, \.\.\.in\] with 3 out and 2 in; ask for PlacedFactors/,
    )
    expect(one({ output: b })).toThrow(/has shape \[3, 2\], its factors \[3, 3\]/)
    expect(one({ output: array([3, 2], [1, 2, 3, 4, 5, 6]), input: a })).toThrow(
      /has shape \[3, 2\], and should be \[size, size\]/,
    )
    expect(one({ output: array([3, 3], Array(9).fill(NaN)), input: a })).toThrow(
      /a factor of parameter "w" has entries that are not finite/,
    )
    expect(one({ output: b, input: a, rows: array([3, 2], [0, 0, 1, 2, 3, 4]) })).toThrow(
      /are not each of 0 … 5 once/,
    )
    expect(() => operator.factorDamped(-1)).toThrow(/factorDamped: takes a finite number of at least 0/)
    expect(() => operator.damped(NaN)).toThrow(/damped: takes a finite number/)
  })

  it('is not inverted where it is singular', async () => {
    const singular = KroneckerOperator(
      namedMap([
        [
          { name: 'w', shape: [3, 2] },
          { output: array([3, 3], semidefinite('s', 3, 1).data), input: factor('A', 2) },
        ] as const,
      ]),
    )
    expect(() => inverse(singular)).toThrow(
      /factor of parameter "w" is not positive definite, .* damp it first/,
    )
    await expect(logdet(singular)).rejects.toMatchObject({ code: 'no-solution' })
    expect(() => inverse(singular.damped(-1))).toThrow(/not positive definite; use more damping/)
    await checkKnown(singular.damped(1e-2))
    await checkKnown(singular.factorDamped(1e-2))
    const zero = KroneckerOperator(
      namedMap([
        [
          { name: 'w', shape: [1, 1] },
          { output: array([1, 1], [0]), input: array([1, 1], [0]) },
        ] as const,
      ]),
    )
    close((await zero.factorDamped(0.25).toDense()).data, [0.25])
  })
})

interface Net {
  readonly name: string
  readonly model: () => Module<[never]>
  readonly inputs: () => AnyTensor
  /** Whether the weight is laid out as its factors are, so that these alone will do. */
  readonly inOrder: boolean
}

/** Networks whose weights are laid out in every way, with one sample and one position, where factors are exact. */
const nets: readonly Net[] = [
  {
    name: 'layers',
    inOrder: true,
    model: () => Sequential(Linear(3, 4, { seed: 1 }), Linear(4, 2, { seed: 2 })),
    inputs: () => data('x', [1, 3]),
  },
  {
    name: 'a square weight on the right',
    inOrder: false,
    model: () => {
      const w = weight('w', [3, 3])
      return of([w], (x) => x.matmul(w.value).tanh())
    },
    inputs: () => data('x', [1, 3]),
  },
  {
    name: 'a convolution in groups',
    inOrder: true,
    model: () => Sequential(Conv2d(4, 4, 2, { groups: 2, seed: 1 }), Flatten()),
    inputs: () => data('x', [1, 4, 2, 2]),
  },
  {
    name: 'a transposed convolution',
    inOrder: false,
    model: () => Sequential(ConvTranspose1d(4, 4, 1, { groups: 2, seed: 3 }), Flatten()),
    inputs: () => data('x', [1, 4, 1]),
  },
  {
    name: 'an embedding',
    inOrder: true,
    model: () => Sequential(Embedding(5, 3, { seed: 1 }), Flatten()),
    inputs: () => intTensor([[2]]),
  },
]

describe.each(nets)('placed factors of $name', ({ model, inputs, inOrder }) => {
  it.each([
    ['reference engine', engine, 1e-9],
    ['onnxruntime', onnxruntime(), 1e-4],
  ] as const)('are the GGN blocks on the %s', async (_on, on, rtol) => {
    const net = model() as Module<[AnyTensor]>
    const x = inputs()
    const output = net(x)
    const targets = data('y', output.shape)
    const extension: Extension<ParameterMap<KroneckerFactors>> = KFLR()
    const { factors } = await evaluate(
      backward(mseLoss(output, targets), { factors: PlacedFactors(extension) }),
      {
        engine: on,
      },
    )
    const operator = KroneckerOperator(factors)
    const at = await bruteForce({
      model: net,
      loss: mseLoss,
      inputs: x as Tensor,
      targets,
    })
    for (const [parameter] of factors) {
      close((await operator.restrict([parameter]).toDense()).data, (await at.ggn(parameter)).data, rtol)
    }
    if (!inOrder) return
    const { plain } = await evaluate(backward(mseLoss(net(x), targets), { plain: KFLR() }), { engine: on })
    const vector = normal('v', operator.layout.size)
    close(await KroneckerOperator(plain).matvec(vector), await operator.matvec(vector), 1e-12)
  })
})

it('PlacedFactors takes drawn factors as well, and says where there is no placement', async () => {
  const net = Linear(3, 2, { seed: 1 })
  const loss = mseLoss(net(data('x', [4, 3])), data('y', [4, 2]))
  const { drawn, kfac } = await evaluate(
    backward(loss, { drawn: PlacedFactors(KFAC({ samples: 3 })), kfac: KFAC({ samples: 3 }) }),
    { engine },
  )
  const vector = normal('v', 8)
  close(await KroneckerOperator(drawn).matvec(vector), await KroneckerOperator(kfac).matvec(vector), 1e-12)
  expect(() => backward(loss, { kfra: PlacedFactors(KFRA()) })).toThrow(
    /PlacedFactors: "kfra" does not tell where the entries .* use KFAC\(\) or KFLR\(\)/,
  )
})

describe('a diagonal operator', () => {
  it('knows everything', async () => {
    await checkKnown(DiagonalOperator([1, 2, 0.5]))
    await checkKnown(DiagonalOperator([1, 2, 0.5]).damped(0.1))
    const net = Linear(3, 2, { seed: 1 })
    const loss = mseLoss(net(data('x', [4, 3])), data('y', [4, 2]))
    const { ggn } = await evaluate(backward(loss, { ggn: DiagGGN() }), { engine })
    const operator = DiagonalOperator(ggn)
    expect(operator.layout!.parts.map(({ part }) => part.name)).toEqual(ggn.names)
    close((await diagonal(operator)).value, operator.layout!.flatten(ggn))
    close(await operator.restrict([net.parameters.get('bias')]).matvec([1, 1]), ggn.get('bias').data)
  })

  it('has no inverse with a zero, no determinant below', async () => {
    expect(() => inverse(DiagonalOperator([1, 0]))).toThrow(
      /entry 1 of the diagonal is 0; add to all of them with damped/,
    )
    await expect(logdet(DiagonalOperator([1, -2]))).rejects.toThrow(
      /entry 1 of the diagonal is -2, so that the matrix is not positive definite/,
    )
  })
})
