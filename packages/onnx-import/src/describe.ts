/** @file A model in words. */
import type { Parameter, ParameterMap } from '@beyondgrad/autograd'
import { formatShape, sizeOf } from '@beyondgrad/tensor'
import type { ModelParts } from './model.ts'
import { allNodes, type Graph, operatorName, type ValueInfo } from './graph.ts'

export function describeModel(graph: Graph, parameters: ParameterMap<Parameter>, parts: ModelParts): string {
  const counts = new Map<string, number>()
  for (const node of allNodes(graph)) {
    const name = operatorName(node)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const all = [...parameters].map(([, parameter]) => parameter)
  const numbers = (of: readonly Parameter[]): number =>
    of.reduce((total, { shape }) => total + sizeOf(shape), 0)
  const trainable = all.filter((parameter) => parameter.trainable)
  const uses = new Map(parts.tensors.map((info) => [info.name, info]))
  const lines = [
    `model ${graph.name || '(without a name)'}`,
    ...graph.inputs.map((info) => `input ${line(info)}`),
    ...graph.outputs.map((info) => `output ${line(info)}`),
    `operators ${[...counts].map(([name, count]) => `${name} × ${count}`).join(', ')}`,
    `parameters ${all.length}, ${numbers(all)} numbers; trainable ${trainable.length}, ${numbers(trainable)} numbers`,
    ...all.map((p) => {
      const frozen = p.trainable ? '' : ', frozen'
      const why = uses.get(p.name)?.why
      return `  ${p.name} ${formatShape(p.shape)}${frozen}${why === undefined ? '' : `: ${why}`}`
    }),
    ...(parts.buffers.length > 0 ? [`buffers ${parts.buffers.map(({ name }) => name).join(', ')}`] : []),
    ...parts.notes.map((note) => `note: ${note}`),
  ]
  return lines.join('\n')
}

function line({ name, dtype, shape }: ValueInfo): string {
  const sizes = shape === undefined ? 'of any shape' : `[${shape.map((size) => size ?? '?').join(', ')}]`
  return `${name} ${dtype ?? ''} ${sizes}`
}
