/** @file Constants that are one number. */
import { type AnyTensor, constantData } from '@beyondgrad/tensor'

/** The number that a constant of one element holds, also behind an expansion. */
export function singleNumber(node: AnyTensor): number | undefined {
  const source = node.op.name === 'expand' || node.op.name === 'reshape' ? node.inputs[0]! : node
  const data = constantData(source)
  return data?.length === 1 ? Number(data[0]) : undefined
}
