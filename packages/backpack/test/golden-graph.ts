/**
 * @file The networks under fixtures/goldens-graphs as plain expressions of tensors: branches, layers used twice,
 * normalisation, attention, transposed convolutions, one and three spatial axes – nothing of which is a layer of `nn`.
 */
import { bceWithLogits, crossEntropy, mseLoss, type Parameter, parameter } from '@beyondgrad/autograd'
import {
  abs,
  add,
  avgPool,
  concat,
  constant,
  conv,
  type Convolution,
  convInput,
  exp,
  log,
  matmul,
  maxPool,
  mul,
  neg,
  pad,
  relu,
  reshape,
  sigmoid,
  slice,
  softmax,
  tanh,
  tensor,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Golden, type Values } from './golden.ts'

interface Layer {
  readonly name: string
  readonly type: string
  readonly inputs?: readonly string[]
  /** The earlier layer whose parameters are used again. */
  readonly module?: string
  readonly [option: string]: unknown
}

export interface GraphGolden extends Omit<Golden, 'model' | 'parameters'> {
  readonly model: readonly Layer[]
  readonly parameters: Readonly<Record<string, Values & { readonly requires_grad?: boolean }>>
  readonly buffers: Readonly<Record<string, Values>>
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

type Spatial = readonly number[]

/** A number for every spatial axis, or one list. */
const perAxis = (value: number | Spatial, rank: number): Spatial =>
  typeof value === 'number' ? Array<number>(rank).fill(value) : value

class Graph {
  readonly golden: GraphGolden
  readonly parameters: readonly Parameter[]
  readonly values = new Map<string, Tensor>()

  constructor(golden: GraphGolden) {
    this.golden = golden
    this.parameters = Object.entries(golden.parameters).map(([name, { shape, data, requires_grad }]) =>
      parameter(
        name,
        { shape, dtype: 'float32', data: Float32Array.from(data) },
        { trainable: requires_grad !== false },
      ),
    )
  }

  output(): Tensor {
    return this.chain(this.golden.model, toTensor(this.golden.input))
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

  private own(layer: Layer, what: string): Tensor | undefined {
    const name = `${layer.module ?? layer.name}.${what}`
    return this.parameters.find((p) => p.name === name)?.value
  }

  /** A vector for each channel of [N, C, ...]. */
  private channels(of: Tensor, x: Tensor): Tensor {
    return reshape(of, [of.shape[0]!, ...x.shape.slice(2).map(() => 1)])
  }

  private withBias(layer: Layer, x: Tensor): Tensor {
    const bias = this.own(layer, 'bias')
    return bias === undefined ? x : add(x, this.channels(bias, x))
  }

  private apply(layer: Layer, inputs: readonly Tensor[]): Tensor {
    const [x, y] = inputs as readonly [Tensor, Tensor]
    const option = <T>(name: string): T => layer[name] as T
    const rank = x.shape.length - 2
    const window = () => ({
      stride: perAxis(option('stride'), rank),
      padding: perAxis(option('padding'), rank),
      dilation: perAxis(option<number | undefined>('dilation') ?? 1, rank),
    })
    switch (layer.type) {
      case 'Linear': {
        const product = matmul(x, transpose(this.own(layer, 'weight')!))
        const bias = this.own(layer, 'bias')
        return bias === undefined ? product : add(product, bias)
      }
      case 'Conv1d':
      case 'Conv2d':
      case 'Conv3d':
        return this.withBias(
          layer,
          conv(x, this.own(layer, 'weight')!, { ...window(), groups: option('groups') }),
        )
      case 'ConvTranspose1d':
      case 'ConvTranspose2d':
      case 'ConvTranspose3d':
        return this.withBias(layer, this.transposedConvolution(layer, x))
      case 'MaxPool1d':
      case 'MaxPool2d':
      case 'MaxPool3d':
        return maxPool(x, perAxis(option('kernel_size'), rank), window())
      case 'AvgPool1d':
      case 'AvgPool2d':
      case 'AvgPool3d':
        return avgPool(x, perAxis(option('kernel_size'), rank), window())
      case 'AdaptiveAvgPool2d':
        return x.mean([2, 3], { keep: true })
      case 'Flatten':
        return reshape(x, [x.shape[0]!, -1])
      case 'Reshape':
        return reshape(x, [x.shape[0]!, ...option<number[]>('shape')])
      case 'Transpose':
        return transpose(x, option<number[]>('perm'))
      case 'Permute':
        return transpose(x, option<number[]>('dims'))
      case 'Slice':
        return slice(x, option('dim'), option('start'), option('end'))
      case 'Slicing':
        return option<(number | null)[][]>('slices').reduce(
          (z, [start, end, step], axis) => slice(z, axis, start ?? 0, end ?? undefined, step ?? 1),
          x,
        )
      case 'Pad': {
        const [before, after] = option<[number, number]>('pad')
        return pad(x, [0, 0, before], [0, 0, after], option('value'))
      }
      case 'Concat':
        return concat(inputs, option('dim'))
      case 'Add':
        return add(x, y)
      case 'Mul':
        return mul(x, y)
      case 'MatMul':
        return matmul(x, y)
      case 'Scale':
        return mul(x, option<number>('value'))
      case 'Softmax':
        return softmax(x, option('dim'))
      case 'ReduceMean':
        return x.mean([option<number>('dim')])
      case 'LayerNorm': {
        const centred = x.sub(x.mean([-1], { keep: true }))
        const deviation = centred.square().mean([-1], { keep: true }).add(option<number>('eps')).sqrt()
        return add(mul(centred.div(deviation), this.own(layer, 'weight')!), this.own(layer, 'bias')!)
      }
      case 'BatchNorm1d':
      case 'BatchNorm2d': {
        const buffer = (name: string): Tensor =>
          this.channels(constant(this.golden.buffers[`${layer.name}.${name}`]!.data), x)
        const deviation = buffer('running_var').add(option<number>('eps')).sqrt()
        const normal = x.sub(buffer('running_mean')).div(deviation)
        const [weight, bias] = [this.own(layer, 'weight')!, this.own(layer, 'bias')!]
        return add(mul(normal, this.channels(weight, x)), this.channels(bias, x))
      }
      case 'Parallel': {
        const branches = option<readonly Layer[]>('branches').map((branch) => this.apply(branch, [x]))
        return branches.reduce((a, b) => add(a, b))
      }
      case 'Sequential':
        return this.chain(option<readonly Layer[]>('layers'), x)
      case 'Identity':
        return x
      case 'ReLU':
        return relu(x)
      case 'Tanh':
        return tanh(x)
      case 'Sigmoid':
        return sigmoid(x)
      case 'SiLU':
        return mul(x, sigmoid(x))
      case 'Softplus':
        return add(relu(x), log(exp(neg(abs(x))).add(1)))
      default:
        throw new Error(`the fixtures' layer ${layer.type} is not known here`)
    }
  }

  /** The transpose of a convolution: its cotangent map. */
  private transposedConvolution(layer: Layer, x: Tensor): Tensor {
    const option = (name: string): Spatial => layer[name] as Spatial
    const weight = this.own(layer, 'weight')!
    const geometry: Convolution = {
      kernel: option('kernel_size'),
      stride: option('stride'),
      before: option('padding'),
      after: option('padding'),
      dilation: option('dilation'),
      groups: layer.groups as number,
    }
    const spatial = x.shape.slice(2).map((size, i) => {
      const reach = geometry.dilation[i]! * (geometry.kernel[i]! - 1) + 1
      return (size - 1) * geometry.stride[i]! - 2 * geometry.before[i]! + reach + option('output_padding')[i]!
    })
    return convInput(x, weight, geometry, spatial)
  }
}

/** The loss of a case, and the parameters that take part. */
export function graphLoss(golden: GraphGolden): {
  readonly loss: Tensor
  readonly parameters: readonly Parameter[]
} {
  const graph = new Graph(golden)
  const output = graph.output()
  const { type, reduction } = golden.loss
  const target = golden.target
  const parameters = graph.parameters.filter((p) => p.trainable)
  if (type === 'CrossEntropyLoss') {
    const labels = tensor(Int32Array.from(target.data), { shape: target.shape, dtype: 'int32' })
    return { loss: crossEntropy(output, labels, { reduction }), parameters }
  }
  const loss = type === 'MSELoss' ? mseLoss : bceWithLogits
  return { loss: loss(output, toTensor(target), { reduction }), parameters }
}
