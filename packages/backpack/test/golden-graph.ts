/**
 * @file The networks under fixtures/goldens-graphs: layers of `nn`, joined by plain expressions of tensors into branches, layers
 * that are used twice, and attention made by hand.
 */
import {
  bceWithLogits,
  crossEntropy,
  type Module,
  mseLoss,
  type Parameter,
  parameter,
} from '@beyondgrad/autograd'
import { buffersOf, loadState, qualified } from '@beyondgrad/nn'
import {
  type AnyTensor,
  add,
  concat,
  matmul,
  mul,
  reshape,
  slice,
  tensor,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { arraysOf, type Golden, type Values } from './golden.ts'
import { type Layer, layerOf } from './golden-layers.ts'

export interface GraphGolden extends Omit<Golden, 'model' | 'parameters'> {
  readonly model: readonly Layer[]
  readonly parameters: Readonly<Record<string, Values & { readonly requires_grad?: boolean }>>
  readonly output: Values
  readonly buffers?: Readonly<Record<string, Values>>
}

const root = fileURLToPath(new URL('../../../fixtures/goldens-graphs/', import.meta.url))

export function graphCases(): string[] {
  return readdirSync(root).flatMap((group) => readdirSync(root + group).map((name) => `${group}/${name}`))
}

export function readGraph(name: string): GraphGolden {
  return JSON.parse(readFileSync(`${root}${name}/golden.json`, 'utf8')) as GraphGolden
}

const toTensor = ({ shape, data }: Values): Tensor =>
  tensor(Float32Array.from(data), { shape, dtype: 'float32' })

const toIntegers = ({ shape, data }: Values): Tensor<'int32'> =>
  tensor(Int32Array.from(data), { shape, dtype: 'int32' })

class Graph {
  readonly golden: GraphGolden
  readonly modules = new Map<string, Module>()
  readonly bare = new Map<string, Parameter>()
  readonly parameters: readonly Parameter[]
  readonly values = new Map<string, Tensor>()

  constructor(golden: GraphGolden) {
    this.golden = golden
    this.collect(golden.model)
    const named = [...qualified(this.modules), ...this.bare].map(([, p]) => p)
    this.parameters = named.map((p) =>
      p.as({ trainable: golden.parameters[p.name]?.requires_grad !== false }),
    )
  }

  /** Makes the layers, branches and all, with their numbers. */
  private collect(layers: readonly Layer[]): void {
    const { parameters, buffers = {} } = this.golden
    for (const layer of layers) {
      const { name } = layer
      this.collect([...((layer.branches ?? []) as Layer[]), ...((layer.layers ?? []) as Layer[])])
      if (layer.type === 'Parameter') {
        const { shape, data } = parameters[name]!
        this.bare.set(name, parameter(name, { shape, dtype: 'float32', data: Float32Array.from(data) }))
      }
      const module = layer.module === undefined ? layerOf(layer) : undefined
      if (module === undefined) continue
      const own = { ...parameters, ...buffers }
      const inside = [...module.parameters.names, ...buffersOf(module).names].flatMap((key) => {
        const values = own[`${name}.${key}`]
        return values === undefined ? [] : [[key, values] as const]
      })
      // The files know no count of batches.
      loadState(module, arraysOf(Object.fromEntries(inside)), { strict: buffersOf(module).size === 0 })
      this.modules.set(name, module)
    }
  }

  output(): Tensor {
    const { input } = this.golden
    // Indices are no numbers: only embeddings take them.
    const x: AnyTensor = input.dtype === 'int64' ? toIntegers(input) : toTensor(input)
    return this.chain(this.golden.model, x as Tensor)
  }

  private chain(layers: readonly Layer[], input: Tensor): Tensor {
    let last = input
    for (const layer of layers) {
      const inputs = layer.inputs?.map((name) => (name === 'input' ? input : this.values.get(name)!)) ?? [
        last,
      ]
      last = this.apply(layer, inputs)
      this.values.set(layer.name, last)
    }
    return last
  }

  private apply(layer: Layer, inputs: readonly Tensor[]): Tensor {
    const module = this.modules.get(layer.module ?? layer.name)
    const [x, y] = inputs as readonly [Tensor, Tensor]
    if (module !== undefined) return module(x)
    const option = <T>(name: string): T => layer[name] as T
    switch (layer.type) {
      case 'Parameter':
        return this.bare.get(layer.name)!.value
      case 'Reshape':
        return reshape(x, [x.shape[0]!, ...option<number[]>('shape')])
      case 'Transpose':
        return transpose(x, option<number[]>('perm'))
      case 'SplitHeads': {
        const [samples, length, size] = x.shape as readonly [number, number, number]
        const heads = option<number>('heads')
        return transpose(reshape(x, [samples, length, heads, size / heads]), [0, 2, 1, 3])
      }
      case 'MergeHeads': {
        const [samples, heads, length, size] = x.shape as readonly [number, number, number, number]
        return reshape(transpose(x, [0, 2, 1, 3]), [samples, length, heads * size])
      }
      case 'Slice':
        return slice(x, option('dim'), option('start'), option('end'))
      case 'Slicing':
        return option<(number | null)[][]>('slices').reduce(
          (z, [start, end, step], axis) => slice(z, axis, start ?? 0, end ?? undefined, step ?? 1),
          x,
        )
      case 'Concat':
        return concat(inputs, option('dim'))
      case 'Add':
        return add(x, y)
      case 'Mul':
        return mul(x, y)
      case 'MatMul':
        return matmul(x, y)
      case 'ReduceMean':
        return x.mean([option<number>('dim')])
      case 'Parallel': {
        const branches = option<readonly Layer[]>('branches').map((branch) => this.apply(branch, [x]))
        return branches.reduce((a, b) => add(a, b))
      }
      case 'Sequential':
        return this.chain(option<readonly Layer[]>('layers'), x)
      default:
        throw new Error(`the fixtures' layer ${layer.type} is not known here`)
    }
  }
}

/** The loss of a case, the network's output, and the parameters that take part. */
export function graphLoss(golden: GraphGolden): {
  readonly loss: Tensor
  readonly output: Tensor
  readonly parameters: readonly Parameter[]
} {
  const graph = new Graph(golden)
  const output = graph.output()
  const { type, reduction } = golden.loss
  const target = golden.target
  const parameters = graph.parameters.filter((p) => p.trainable)
  if (type === 'CrossEntropyLoss') {
    return { loss: crossEntropy(output, toIntegers(target), { reduction }), output, parameters }
  }
  const loss = type === 'MSELoss' ? mseLoss : bceWithLogits
  return { loss: loss(output, toTensor(target), { reduction }), output, parameters }
}
