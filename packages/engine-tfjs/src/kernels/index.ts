/** @file Which rule an op has. */
import { type AnyTensor, BeyondgradError, sizeOf } from '@beyondgrad/tensor'
import { typeOf } from '../data.ts'
import { matmul } from './contract.ts'
import { conv, convInput, convWeight } from './convolution.ts'
import { division } from './division.ts'
import { elementwise } from './elementwise.ts'
import { gatherKernels } from './gather.ts'
import type { Kernel, Rule } from './kernel.ts'
import { logical } from './logical.ts'
import { movement } from './movement.ts'
import { avgPool, avgPoolVjp, maxPool, maxPoolJvp, maxPoolVjp } from './pool.ts'
import { argmax, cumsum, max, min, sum } from './reduce.ts'
import { transcendental } from './transcendental.ts'
import { fold, unfold } from './window.ts'

const rules: Readonly<Record<string, Rule>> = {
  ...elementwise,
  ...division,
  ...logical,
  ...transcendental,
  ...movement,
  ...gatherKernels,
  argmax,
  cumsum,
  max,
  min,
  sum,
  matmul,
  unfold,
  fold,
  conv,
  convInput,
  convWeight,
  maxPool,
  maxPoolVjp,
  maxPoolJvp,
  avgPool,
  avgPoolVjp,
}

/** Ops that make zeros of empty operands. */
const sums: readonly string[] = [
  'sum',
  'matmul',
  'fold',
  'conv',
  'convInput',
  'convWeight',
  'scatterAdd',
  'scatterElementsAdd',
]

export function kernelOf(node: AnyTensor): Kernel {
  const { op, shape, inputs, dtype } = node
  const rule = rules[op.name]
  if (rule === undefined) {
    throw new BeyondgradError('unsupported', `tfjs has no op "${op.name}"; use another engine for this graph`)
  }
  const type = typeOf(dtype)
  const filled = inputs.every((input) => sizeOf(input.shape) > 0)
  // Kernels never see tensors without elements: backends differ in what they make of them.
  if (sizeOf(shape) === 0 || (!filled && sums.includes(op.name))) {
    return (tf) => tf.zeros(shape as number[], type)
  }
  return rule(node)
}
