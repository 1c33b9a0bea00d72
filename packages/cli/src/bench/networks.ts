/** @file The larger networks that `bench` measures, from layers and ops. */
import { type Module, parameter, type Parameter } from '@beyondgrad/autograd'
import { allZeros, Conv2d, Flatten, Linear, moduleOf, qualified, ReLU, Sequential } from '@beyondgrad/nn'
import {
  add,
  div,
  gather,
  gelu,
  globalAvgPool,
  matmul,
  mean,
  mul,
  type NDArray,
  pad,
  relu,
  reshape,
  slice,
  softmax,
  sqrt,
  sub,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'

const seed = 0

/** Convolution, then relu. */
const convolved = (inputs: number, outputs: number, kernel: number, options: object = {}): Module[] => [
  Conv2d(inputs, outputs, kernel, { ...options, seed }),
  ReLU(),
]

/** 3 × 3 windows with stride 2 that halve the image, as TensorFlow's "same" padding does. */
const halving = {
  stride: 2,
  padding: [
    [0, 1],
    [0, 1],
  ] as const,
}

/** All-CNN-C (Springenberg et al., 2015) without dropout, as in DeepOBS: [N, 3, 32, 32] → [N, classes]. */
export function allConvolutional(classes: number): Module {
  return Sequential(
    ...convolved(3, 96, 3, { padding: 1 }),
    ...convolved(96, 96, 3, { padding: 1 }),
    ...convolved(96, 96, 3, halving),
    ...convolved(96, 192, 3, { padding: 1 }),
    ...convolved(192, 192, 3, { padding: 1 }),
    ...convolved(192, 192, 3, halving),
    ...convolved(192, 192, 3),
    ...convolved(192, 192, 1),
    ...convolved(192, classes, 1),
    moduleOf(globalAvgPool),
    Flatten(),
  )
}

const filled = (shape: readonly number[], value: number): NDArray => ({
  shape,
  dtype: 'float32',
  data: new Float32Array(shape.reduce((size, d) => size * d, 1)).fill(value),
})

/** γ x + β along an axis: what a batch normalisation is while its statistics stay as they are. */
function affine(size: number, shape: readonly number[]): Module {
  const [weight, bias] = [parameter('weight', filled([size], 1)), parameter('bias', filled([size], 0))]
  return moduleOf(
    (x) => add(mul(x, reshape(weight.value, shape)), reshape(bias.value, shape)),
    [weight, bias],
  )
}

/** Two convolutions beside a shortcut, which drops every other pixel and pads channels with zeros where sizes change. */
function residualBlock(inputs: number, outputs: number, stride: number): Module {
  const layers = {
    conv1: Conv2d(inputs, outputs, 3, { padding: 1, stride, bias: false, seed }),
    norm1: affine(outputs, [outputs, 1, 1]),
    conv2: Conv2d(outputs, outputs, 3, { padding: 1, bias: false, seed }),
    norm2: affine(outputs, [outputs, 1, 1]),
  }
  const forward = (x: Tensor): Tensor => {
    const z = layers.norm2(layers.conv2(relu(layers.norm1(layers.conv1(x)))))
    const thin = stride === 1 ? x : slice(slice(x, 2, 0, undefined, stride), 3, 0, undefined, stride)
    return relu(add(z, pad(thin, [0, 0, 0, 0], [0, outputs - inputs, 0, 0])))
  }
  return Object.assign(forward, { parameters: qualified(Object.entries(layers)) })
}

/** ResNet-20 for small images (He et al., 2016, section 4.2), with fixed statistics: [N, 3, 32, 32] → [N, classes]. */
export function residual(classes: number): Module {
  const stages = [16, 32, 64].flatMap((width, stage) =>
    [0, 1, 2].map((block) => {
      const first = stage > 0 && block === 0
      return residualBlock(first ? width / 2 : width, width, first ? 2 : 1)
    }),
  )
  return Sequential(
    Conv2d(3, 16, 3, { padding: 1, bias: false, seed }),
    affine(16, [16, 1, 1]),
    ReLU(),
    ...stages,
    moduleOf(globalAvgPool),
    Flatten(),
    Linear(64, classes, { seed }),
  )
}

function layerNorm(width: number): Module {
  const scale = affine(width, [width])
  const forward = (x: Tensor): Tensor => {
    const centred = sub(x, mean(x, [-1], { keep: true }))
    const variance = mean(centred.square(), [-1], { keep: true })
    return scale(div(centred, sqrt(add(variance, 1e-5))))
  }
  return Object.assign(forward, { parameters: scale.parameters })
}

/** Attention of every position to all: [N, T, width] → the same. */
function selfAttention(width: number, heads: number): Module {
  const layers = {
    query: Linear(width, width, { seed }),
    key: Linear(width, width, { seed: 1 }),
    value: Linear(width, width, { seed: 2 }),
    output: Linear(width, width, { seed: 3 }),
  }
  const size = width / heads
  const forward = (x: Tensor): Tensor => {
    const [samples, length] = x.shape as [number, number, number]
    const split = (y: Tensor): Tensor => transpose(reshape(y, [samples, length, heads, size]), [0, 2, 1, 3])
    const [q, k, v] = [layers.query, layers.key, layers.value].map((layer) => split(layer(x)))
    const weights = softmax(mul(matmul(q!, transpose(k!, [0, 1, 3, 2])), 1 / Math.sqrt(size)))
    return layers.output(reshape(transpose(matmul(weights, v!), [0, 2, 1, 3]), [samples, length, width]))
  }
  return Object.assign(forward, { parameters: qualified(Object.entries(layers)) })
}

function transformerBlock(width: number, heads: number): Module {
  const layers = {
    norm1: layerNorm(width),
    attention: selfAttention(width, heads),
    norm2: layerNorm(width),
    up: Linear(width, 4 * width, { seed }),
    down: Linear(4 * width, width, { seed }),
  }
  const forward = (x: Tensor): Tensor => {
    const y = add(x, layers.attention(layers.norm1(x)))
    return add(y, layers.down(gelu(layers.up(layers.norm2(y)))))
  }
  return Object.assign(forward, { parameters: qualified(Object.entries(layers)) })
}

/** A table of random rows. */
function table(name: string, rows: number, width: number): Parameter {
  const { data } = allZeros([rows, width], { in: 1, out: 1 }, { seed, stream: name })
  return parameter(name, {
    shape: [rows, width],
    dtype: 'float32',
    data: data.map((_, i) => 0.2 * Math.sin(12.9898 * i)),
  })
}

/** An encoder that classifies sequences of tokens: int32 [N, T] → [N, classes]. */
export function transformer(sizes: {
  readonly vocabulary: number
  readonly length: number
  readonly width: number
  readonly heads: number
  readonly blocks: number
  readonly classes: number
}): Module<readonly [Tensor<'int32'>]> {
  const { vocabulary, length, width, heads, blocks, classes } = sizes
  const [token, position] = [table('token', vocabulary, width), table('position', length, width)]
  const embedding = moduleOf(
    (x: Tensor<'int32'>) => add(gather(token.value, x), position.value),
    [token, position],
  )
  const body = Sequential(
    ...Array.from({ length: blocks }, () => transformerBlock(width, heads)),
    layerNorm(width),
    moduleOf((x: Tensor) => mean(x, [1])),
    Linear(width, classes, { seed }),
  )
  const forward = (x: Tensor<'int32'>): Tensor => body(embedding(x))
  return Object.assign(forward, { parameters: qualified(Object.entries({ embedding, body })) })
}
