/** @file What a newcomer gets wrong: one sentence each, with a code, and the process goes on. */
import {
  backward,
  defineExtension,
  type Extension,
  gradientFlow,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  BeyondgradError,
  compile,
  DataError,
  type ErrorCode,
  evaluate,
  intTensor,
  setEngine,
  StaleParameterError,
  tensor,
  type Tensor,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { CrossEntropyLoss, Linear, MSELoss, Sequential, SGD, Tanh, trainStep } from '../src/index.ts'

const model = Sequential(Linear(2, 3, { seed: 1 }), Tanh(), Linear(3, 2, { seed: 2 }))
const x = tensor([
  [1, 2],
  [3, 4],
])
const y = intTensor([0, 1])
const crossEntropy = CrossEntropyLoss()

const norms: Extension<ParameterMap<Tensor>> = defineExtension({
  name: 'norms',
  flow: gradientFlow,
  parameter: ({ contribution }) => contribution.squaredNorm(),
})

async function failure(attempt: () => unknown): Promise<BeyondgradError> {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof BeyondgradError) return error
    throw error
  }
  throw new Error('nothing went wrong')
}

interface Case {
  readonly name: string
  readonly attempt: () => unknown
  readonly code: ErrorCode
  readonly message: string | RegExp
}

const evaluated = (targets: Tensor<'int32'>, inputs: Tensor = x): Promise<unknown> =>
  evaluate({ loss: crossEntropy(model(inputs), targets) })

const cases: readonly Case[] = [
  {
    name: 'inputs of the wrong width',
    attempt: () => model(tensor([[1, 2, 3]])),
    code: 'shape',
    message: 'Linear: expects [N, ..., 2], got [1, 3]; is a Flatten() missing before it?',
  },
  {
    name: 'as many labels as there are no samples',
    attempt: () => crossEntropy(model(x), intTensor([0, 1, 1])),
    code: 'shape',
    message: 'crossEntropy: expects logits [N, C] and class indices [N], got [2, 2] and [3]',
  },
  {
    name: 'one-hot labels of integers',
    attempt: () =>
      crossEntropy(
        model(x),
        intTensor([
          [1, 0],
          [0, 1],
        ]),
      ),
    code: 'shape',
    message:
      'crossEntropy: expects logits [N, C] and class indices [N], got [2, 2] and [2, 2]; probabilities of the classes must be float32',
  },
  {
    name: 'labels that are not integers',
    attempt: () => crossEntropy(model(x), tensor([0, 1])),
    code: 'dtype',
    message: 'crossEntropy: class indices must be int32, not float32; use intTensor() or cast()',
  },
  {
    name: 'a label out of range',
    attempt: () => evaluated(intTensor([0, 2])),
    code: 'data',
    message: 'crossEntropy: the target contains 2 at [1], which is not an integer from 0 to 1',
  },
  {
    name: 'a negative label',
    attempt: () => evaluated(intTensor([-1, 0])),
    code: 'data',
    message: 'crossEntropy: the target contains -1 at [0], which is not an integer from 0 to 1',
  },
  {
    name: 'a label out of range, where only derivatives are asked for',
    attempt: () => evaluate(backward(crossEntropy(model(x), intTensor([0, 7])), { norms })),
    code: 'data',
    message: /the target contains 7 at \[1\]/,
  },
  {
    name: 'NaN in the inputs',
    attempt: () => evaluate(backward(crossEntropy(model(tensor([[1, NaN]])), intTensor([0])), { norms })),
    code: 'data',
    message: 'the input contains NaN at [0, 1] (shape [1, 2]): clean the data first',
  },
  {
    name: 'NaN in the targets',
    attempt: () =>
      evaluate(
        backward(
          MSELoss()(
            model(x),
            tensor([
              [0, 0],
              [NaN, 0],
            ]),
          ),
          { norms },
        ),
      ),
    code: 'data',
    message: 'the target contains NaN at [1, 0] (shape [2, 2]): clean the data first',
  },
  {
    name: 'targets of another shape than the output',
    attempt: () => MSELoss()(model(x), tensor([1, 2])),
    code: 'shape',
    message:
      'mseLoss: output and target must have the same shape and dtype, got float32 [2, 2] and float32 [2]',
  },
  {
    name: 'an empty batch',
    attempt: () => {
      const none = tensor(new Float32Array(0), { shape: [0, 2], dtype: 'float32' })
      return crossEntropy(model(none), intTensor([]))
    },
    code: 'shape',
    message: 'crossEntropy: the output has shape [0, 2]: an empty batch has no loss; skip it',
  },
  {
    name: 'a reduction that there is not',
    attempt: () => CrossEntropyLoss({ reduction: 'none' as never })(model(x), y),
    code: 'value',
    message: 'crossEntropy: reduction is "mean" or "sum", not "none"',
  },
  {
    name: 'a loss that is not one number',
    attempt: () => backward(model(x), { norms }),
    code: 'shape',
    message: 'backward: the loss must be one number, not a tensor of shape [2, 2]',
  },
  {
    name: 'an extension whose factory was not called',
    attempt: () => backward(crossEntropy(model(x), y), { norms: (() => norms) as never }),
    code: 'protocol',
    message: 'backward: expected an extension; call its factory, as in { variance: Variance() }',
  },
  {
    name: 'an engine whose factory was not called',
    attempt: () => setEngine((() => undefined) as never),
    code: 'engine',
    message: /^setEngine: expected an engine of protocol 1, got function; call its factory/,
  },
  {
    name: 'reading a value inside of a compiled function',
    attempt: () =>
      compile((a: Tensor) => {
        void crossEntropy(model(a), y).item()
        throw new Error('not reached')
      })(x),
    code: 'tracing',
    message:
      'item: there are no values while a function is being traced; return the tensor from the function instead',
  },
  {
    name: 'an asynchronous function to compile',
    attempt: () => compile(async (a: Tensor) => ({ loss: await crossEntropy(model(a), y).item() }))(x),
    code: 'tracing',
    message: 'compile: the function must build its result synchronously, not return a promise',
  },
]

describe('bad input', () => {
  it.each(cases)('$name', async ({ attempt, code, message }) => {
    const error = await failure(attempt)
    expect(error.code).toBe(code)
    if (typeof message === 'string') expect(error.message).toBe(message)
    else expect(error.message).toMatch(message)
    // Nothing is broken afterwards.
    await expect(evaluated(y)).resolves.toBeDefined()
  })

  it('a stale parameter', async () => {
    const own = Sequential(Linear(2, 2, { seed: 4 }))
    const before = crossEntropy(own(x), y)
    const train = trainStep({
      model: own,
      loss: crossEntropy,
      optimizer: SGD(own.parameters, { learningRate: 0.1 }),
    })
    await train({ inputs: x, targets: y })
    const error = await failure(() => before.read())
    expect(error).toBeInstanceOf(StaleParameterError)
    expect(error.message).toBe(
      'parameter "0.weight" was updated after this expression was built: rebuild the expression, or use compile(), which reads live parameters',
    )
    await expect(crossEntropy(own(x), y).item()).resolves.toBeLessThan(10)
  })

  it('a NaN that the model makes of good data', async () => {
    const own = Sequential(Linear(2, 2, { seed: 4 }))
    own.parameters.get('0.weight').set(Float32Array.of(NaN, 1, 1, 1))
    const { loss } = await evaluate({ loss: crossEntropy(own(x), y) })
    // It is the model's, not the data's: no error, and no other number either.
    expect(loss.data[0]).toBeNaN()
  })

  it('is a DataError where it is the data’s fault, so that a program can skip the batch', async () => {
    await expect(evaluated(intTensor([0, 9]))).rejects.toThrow(DataError)
  })
})
