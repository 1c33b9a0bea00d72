/** @file Graphs written as files for everybody: no operators but the standard ones, same results as the reference engine. */

import * as ops from '@beyondgrad/tensor'
import {
  add,
  type AnyTensor,
  argmax,
  avgPool,
  avgPoolVjp,
  cast,
  composite,
  conv,
  convInput,
  convWeight,
  defineComposite,
  evaluate,
  fold,
  type Graph,
  greater,
  guard,
  logSoftmax,
  matmul,
  maxPool,
  maxPoolJvp,
  maxPoolVjp,
  placeholder,
  referenceEngine,
  relu,
  type Shape,
  sizeOf,
  substitute,
  tensor,
  type Tensor,
  transposeLast,
  unfold,
  where,
} from '@beyondgrad/tensor'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { parseModel, toOnnx } from '../src/index.ts'

const window = { kernel: [3, 3], stride: [2, 2], before: [0, 0], after: [1, 1], dilation: [1, 1] }

/** Numbers with ties, the same in every run. */
function numbers(shape: Shape): Float32Array {
  return Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37) % 11) / 2 - 2)
}

/** The file of a graph, run by ONNX Runtime, against the graph, run by the reference engine. */
async function expectSame(shapes: readonly Shape[], of: (inputs: Tensor[]) => AnyTensor[]): Promise<void> {
  const inputs = shapes.map((shape) => placeholder(shape))
  const outputs = of(inputs)
  const file = toOnnx({ inputs, outputs })
  expect(parseModel(file.bytes).opsetImport.map(({ domain }) => domain)).toEqual([''])
  const data = shapes.map((shape) => tensor(numbers(shape), { shape, dtype: 'float32' }))
  const filled = substitute(outputs, new Map(inputs.map((input, i) => [input, data[i]!])))
  const expected = await evaluate(filled, { engine: referenceEngine() })
  const session = await InferenceSession.create(file.bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 })
  try {
    const feeds = shapes.map((shape, i) => [file.inputs[i]!, new OrtTensor('float32', numbers(shape), shape)])
    const results = await session.run(Object.fromEntries(feeds) as Record<string, OrtTensor>)
    outputs.forEach((output, i) => {
      const { dims, data: ours } = results[file.outputs[i]!]!
      expect(dims).toEqual(output.shape)
      Array.from(ours as ArrayLike<number>, (value, at) => {
        expect(Number(value)).toBeCloseTo(Number(expected[i]!.data[at]), 4)
      })
    })
  } finally {
    await session.release()
  }
}

describe('toOnnx', () => {
  it('writes a network and its pieces', () =>
    expectSame(
      [
        [4, 5],
        [5, 3],
        [3, 4, 5],
      ],
      ([x, w, b]) => {
        const z = matmul(x!, w!)
        return [
          logSoftmax(relu(z)),
          argmax(z, 1),
          where(greater(z, 0), z, 0),
          matmul(transposeLast(b!), b!),
          matmul(transposeLast(x!), x!),
          cast(greater(b!, 1), 'int32'),
        ]
      },
    ))

  it('writes functions, logic, remainders and reductions', () =>
    expectSame(
      [
        [4, 5],
        [2, 4, 5],
      ],
      ([x, y]) => [
        ...[ops.sin, ops.tan, ops.atan, ops.sinh, ops.asinh, ops.erf, ops.floor, ops.round].map((of) =>
          of(x!),
        ),
        ops.mod(x!, add(y!, 0.25)),
        ops.lessEqual(x!, y!),
        ops.logicalXor(greater(x!, 0), greater(y!, 1)),
        ops.cumsum(transposeLast(y!), 1, { reverse: true }),
        ops.min(y!, [0, 2]),
        ops.prod(y!, [0]),
        ops.logSumExp(y!, [1, 2]),
        ops.norm(y!, [1]),
        ops.gelu(x!),
        ops.floorDivide(cast(x!, 'int32'), cast(y!, 'int32')),
        ops.max(cast(y!, 'int64'), [1]),
        ops.sum(cast(y!, 'int64'), [1]),
      ],
    ))

  it.each<readonly [string, (x: Tensor, y: Tensor) => AnyTensor, readonly string[]]>([
    ['lessEqual', (x, y) => ops.lessEqual(x, y), ['LessOrEqual']],
    ['greaterEqual', (x, y) => ops.greaterEqual(x, y), ['GreaterOrEqual']],
    ['notEqual', (x, y) => ops.notEqual(x, y), ['Equal', 'Not']],
    ['rem', (x, y) => ops.rem(x, y), ['Mod']],
    ['cumsum', (x) => ops.cumsum(x, 0), ['CumSum']],
    ['clip', (x) => ops.clip(x, 0, 1), ['Max', 'Min']],
  ])('writes %s without detours', (_name, of, expected) => {
    const [x, y] = [placeholder([2, 3]), placeholder([3])]
    const { bytes } = toOnnx({ inputs: [x, y], outputs: [of(x, y)] })
    expect(parseModel(bytes).graph!.node.map(({ opType }) => opType)).toEqual(expected)
  })

  it('writes an integer division by a number as it is, and by a tensor never by 0', () => {
    const [x, y] = [placeholder([3], 'int32'), placeholder([3], 'int32')]
    const written = (node: AnyTensor): string[] =>
      parseModel(toOnnx({ inputs: [x, y], outputs: [node] }).bytes).graph!.node.map(({ opType }) => opType)
    expect(written(ops.div(x, 3))).toEqual(['Div'])
    expect(written(ops.div(x, y))).toEqual(['Equal', 'Equal', 'Or', 'Where', 'Div', 'Where', 'Mul'])
  })

  it('writes windows', () =>
    expectSame(
      [
        [2, 4, 7, 6],
        [6, 2, 3, 3],
        [2, 6, 3, 3],
        [3, 2, 4, 3, 3],
        [2, 4 * 9, 9],
      ],
      ([x, w, g, columns, y]) => {
        const groups = { ...window, groups: 2 }
        const positions = columns!.slice(0, 0, 1).reshape([2, 4, 3, 3])
        return [
          conv(x!, w!, {
            stride: 2,
            padding: [
              [0, 1],
              [0, 1],
            ],
            groups: 2,
          }),
          convInput(g!, w!, groups, [7, 6]),
          convWeight(x!, g!, groups),
          unfold(x!, window),
          fold(y!, window, [7, 6]),
          maxPool(x!, [3, 3], {
            stride: 2,
            padding: [
              [0, 1],
              [0, 1],
            ],
          }),
          maxPoolVjp(x!, columns!, window),
          maxPoolJvp(x!, x!, window),
          avgPool(x!, [2, 2]),
          avgPoolVjp(positions, { ...window, countPadding: false }, [7, 6]),
        ]
      },
    ))

  it('names inputs and outputs as asked', () => {
    const x = placeholder([2])
    const graph = { inputs: [x], outputs: [add(x, 1)] }
    const { graph: written } = parseModel(
      toOnnx(graph, { inputs: ['image'], outputs: ['score'], name: 'net' }).bytes,
    )
    expect(written?.name).toBe('net')
    expect(written?.input.map(({ name }) => name)).toEqual(['image'])
    expect(written?.output.map(({ name }) => name)).toEqual(['score'])
  })

  it('writes nothing that no output needs, and nothing twice', () => {
    const x = placeholder([2, 3])
    const graph = { inputs: [x], outputs: [matmul(transposeLast(x), x), add(x, 1), add(x, 1)] }
    const types = parseModel(toOnnx(graph).bytes).graph?.node.map(({ opType }) => opType)
    // The transpose is read by Gemm, the second sum is the first.
    expect(types).toEqual(['Gemm', 'Add', 'Identity'])
  })

  it('stands a deep graph', () => {
    const x = placeholder([])
    let y: Tensor = x
    for (let i = 0; i < 20_000; i++) y = y.tanh()
    expect(parseModel(toOnnx({ inputs: [x], outputs: [y] }).bytes).graph?.node).toHaveLength(20_000)
  })

  const x = placeholder([2])
  const twice = defineComposite({
    name: 'twice',
    alternatives: [{ name: 'add', expand: ([a]) => add(a as Tensor, a as Tensor) }],
  })
  const refused: [string, Graph, RegExp][] = [
    ['a composite', { inputs: [x], outputs: [composite(twice, [x])] }, /"twice" is a composite node/],
    [
      'a guard',
      { inputs: [x], outputs: [guard(x, x, { kind: 'finite', what: 'x' })] },
      /"guard" is a guard node/,
    ],
    ['a leaf that is no input', { inputs: [], outputs: [add(x, 1)] }, /"placeholder" leaf of shape \[2\]/],
    [
      'an op without a rule',
      { inputs: [x], outputs: [composite({ ...twice, name: 'odd', family: 'movement' }, [x])] },
      /no rule that writes op "odd"/,
    ],
  ]
  it.each(refused)('refuses %s', (_what, graph, message) => {
    expect(() => toOnnx(graph)).toThrow(message)
  })

  it('refuses names that are too few', () => {
    expect(() => toOnnx({ inputs: [x], outputs: [x] }, { inputs: [] })).toThrow(/0 names \[\] for 1 inputs/)
  })
})
