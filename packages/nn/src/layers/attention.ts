/**
 * @file Attention with several heads (Vaswani et al. 2017) and the encoder layers made with it. Parameters are named and laid
 * out as PyTorch's. One thing differs: `batchFirst` is true unless said otherwise, as axis 0 counts the samples everywhere here.
 */
import { type Module, type Parameter, parameter } from '@beyondgrad/autograd'
import {
  add,
  BeyondgradError,
  constant,
  formatShape,
  gelu,
  matmul,
  mul,
  relu,
  reshape,
  ShapeError,
  slice,
  softmax,
  split,
  type Tensor,
  transpose,
  transposeLast,
  unsqueeze,
  where,
} from '@beyondgrad/tensor'
import { defineModule } from '../define-module.ts'
import { allZeros, fanInUniform, glorotUniform, nextSeed } from '../initialization.ts'
import { layerOf } from '../module.ts'
import type { TrainingPass } from '../training-pass.ts'
import { dropWith, Dropout } from './dropout.ts'
import { Linear } from './linear.ts'
import { LayerNorm } from './normalization.ts'
import { Identity } from './shape.ts'
import { demandPositive, demandProbability } from './sizes.ts'

export interface MultiheadAttentionOptions {
  /** Share of the attention weights that training drops. Default: 0. */
  readonly dropout?: number
  /** Default: true. */
  readonly bias?: boolean
  /** Features of the keys. Default: `embedDim`. */
  readonly kdim?: number
  /** Features of the values. Default: `embedDim`. */
  readonly vdim?: number
  /** [N, L, E] rather than [L, N, E]. Default: true, unlike PyTorch. */
  readonly batchFirst?: boolean
  /** Determines initial numbers and masks. Default: counts up with every layer. */
  readonly seed?: number
}

export interface AttentionMasks {
  /** [L, S], or [N, heads, L, S] with sizes 1 that broadcast: true where a query must not look, or numbers that are added. */
  readonly attnMask?: Tensor<'bool'> | Tensor
  /** [N, S]: true for keys that are padding. */
  readonly keyPaddingMask?: Tensor<'bool'>
  /** Whether position i sees positions up to i only. Default: false. */
  readonly isCausal?: boolean
}

/** Query [N, L, E], key [N, S, kdim] (default: the query), value [N, S, vdim] (default: the key), and masks. */
export type AttentionInputs = [
  query: Tensor,
  key?: Tensor | undefined,
  value?: Tensor | undefined,
  masks?: AttentionMasks,
]

/** The output [N, L, E] and the attention weights, averaged over the heads, [N, L, S]. */
export type AttentionResult = readonly [output: Tensor, weights: Tensor]

/**
 * Attention with `numHeads` heads. Called with one tensor it is self-attention, and the three projections are one product.
 * Parameters: in_proj_weight [3E, E] (or q_proj_weight, k_proj_weight and v_proj_weight if keys or values have other sizes),
 * in_proj_bias [3E], out_proj.weight [E, E], out_proj.bias [E].
 */
export function MultiheadAttention(
  embedDim: number,
  numHeads: number,
  options: MultiheadAttentionOptions = {},
): Module<AttentionInputs, AttentionResult> {
  const layer = 'MultiheadAttention'
  const { dropout = 0, bias = true, kdim = embedDim, vdim = embedDim, batchFirst = true } = options
  demandPositive(layer, { embedDim, numHeads, kdim, vdim })
  demandProbability(layer, 'dropout', dropout)
  if (embedDim % numHeads !== 0) {
    throw new BeyondgradError('value', `${layer}: ${numHeads} heads must divide ${embedDim} features`)
  }
  const seed = options.seed ?? nextSeed()
  const projections = new Projections({ embedDim, kdim, vdim, bias, seed })
  const sizes = { embedDim, kdim, vdim, batchFirst }
  const key = {}
  const attend = (pass: TrainingPass | undefined, inputs: AttentionInputs): AttentionResult => {
    const [query, keys = query, values = keys, masks = {}] = inputs
    demandInputs(layer, sizes, query, keys, values)
    const turned = new Map<Tensor, Tensor>()
    const front = (x: Tensor): Tensor => {
      const known = turned.get(x) ?? (batchFirst ? x : transpose(x, [1, 0, 2]))
      turned.set(x, known)
      return known
    }
    const [q, k, v] = projections
      .project(front(query), front(keys), front(values))
      .map((x) => heads(x, numHeads)) as [Tensor, Tensor, Tensor]
    const scores = mul(matmul(q, transposeLast(k)), 1 / Math.sqrt(embedDim / numHeads))
    const weights = softmax(masked(layer, scores, masks))
    const kept = pass === undefined ? weights : dropWith(pass, weights, { p: dropout, seed, key })
    const output = projections.output(joined(matmul(kept, v)))
    return [batchFirst ? output : transpose(output, [1, 0, 2]), kept.mean([1])]
  }
  return layerOf({
    forward: (...inputs: AttentionInputs) => attend(undefined, inputs),
    inTraining:
      (pass) =>
      (...inputs: AttentionInputs) =>
        attend(pass, inputs),
    parameters: projections.parameters,
  })
}

interface ProjectionSizes {
  readonly embedDim: number
  readonly kdim: number
  readonly vdim: number
  readonly bias: boolean
  readonly seed: number
}

/** The projections into and out of attention. */
class Projections {
  readonly size: number
  /** One weight for all three, or one for each. */
  readonly into: readonly Parameter[]
  readonly intoBias: Parameter | undefined
  readonly out: Parameter
  readonly outBias: Parameter | undefined

  constructor({ embedDim: size, kdim, vdim, bias, seed }: ProjectionSizes) {
    const start = (name: string, rows: number, columns: number, how = glorotUniform): Parameter =>
      parameter(name, how([rows, columns], { in: columns, out: rows }, { seed, stream: name }))
    const zeros = (name: string, length: number): Parameter =>
      parameter(name, allZeros([length], { in: 1, out: 1 }, { seed, stream: name }))
    this.size = size
    this.into =
      kdim === size && vdim === size
        ? [start('in_proj_weight', 3 * size, size)]
        : [
            start('q_proj_weight', size, size),
            start('k_proj_weight', size, kdim),
            start('v_proj_weight', size, vdim),
          ]
    this.intoBias = bias ? zeros('in_proj_bias', 3 * size) : undefined
    this.out = start('out_proj.weight', size, size, fanInUniform)
    this.outBias = bias ? zeros('out_proj.bias', size) : undefined
  }

  get parameters(): readonly Parameter[] {
    return [...this.into, this.intoBias, this.out, this.outBias].filter((p) => p !== undefined)
  }

  project(query: Tensor, keys: Tensor, values: Tensor): readonly Tensor[] {
    const { size, into, intoBias } = this
    const whole = into.length === 1 ? into[0]!.value : undefined
    if (whole !== undefined && query === keys && keys === values) {
      // One product: its parts are parts of one contribution.
      const all = matmul(query, transpose(whole))
      return split(intoBias === undefined ? all : add(all, intoBias.value), 3, -1)
    }
    return [query, keys, values].map((x, i) => {
      const from = i * size
      const weight = whole === undefined ? into[i]!.value : slice(whole, 0, from, from + size)
      const z = matmul(x, transpose(weight))
      return intoBias === undefined ? z : add(z, slice(intoBias.value, 0, from, from + size))
    })
  }

  output(x: Tensor): Tensor {
    const z = matmul(x, transpose(this.out.value))
    return this.outBias === undefined ? z : add(z, this.outBias.value)
  }
}

/** [N, L, E] → [N, heads, L, E / heads] */
function heads(x: Tensor, count: number): Tensor {
  const [samples, length, size] = x.shape as readonly [number, number, number]
  return transpose(reshape(x, [samples, length, count, size / count]), [0, 2, 1, 3])
}

/** [N, heads, L, E / heads] → [N, L, E] */
function joined(x: Tensor): Tensor {
  const [samples, count, length, size] = x.shape as readonly [number, number, number, number]
  return reshape(transpose(x, [0, 2, 1, 3]), [samples, length, count * size])
}

function demandInputs(
  layer: string,
  sizes: { embedDim: number; kdim: number; vdim: number; batchFirst: boolean },
  ...inputs: readonly [Tensor, Tensor, Tensor]
): void {
  const { batchFirst, embedDim, kdim, vdim } = sizes
  const wanted = [embedDim, kdim, vdim]
  const fits = inputs.every(({ shape }, i) => shape.length === 3 && shape[2] === wanted[i])
  const [q, k, v] = inputs.map(({ shape }) => shape)
  const [sample, position] = batchFirst ? [0, 1] : [1, 0]
  if (fits && q![sample] === k![sample] && k![sample] === v![sample] && k![position] === v![position]) return
  const shapes = batchFirst
    ? `query [N, L, ${embedDim}], key [N, S, ${kdim}] and value [N, S, ${vdim}]`
    : `query [L, N, ${embedDim}], key [S, N, ${kdim}] and value [S, N, ${vdim}]`
  throw new ShapeError(
    layer,
    `expects ${shapes}, got ${formatShape(q!)}, ${formatShape(k!)} and ${formatShape(v!)}`,
  )
}

/** Scores [N, heads, L, S] with −∞ where nothing must be looked at. */
function masked(layer: string, scores: Tensor, masks: AttentionMasks): Tensor {
  const [samples, , length, size] = scores.shape as readonly [number, number, number, number]
  let result = scores
  const hide = (hidden: Tensor<'bool'>): void => {
    result = where(hidden, -Infinity, result)
  }
  if (masks.isCausal === true) {
    const data = new Uint8Array(length * size)
    for (let i = 0; i < length; i++) data.fill(1, i * size + Math.min(i + 1, size), (i + 1) * size)
    hide(constant(data, { shape: [length, size], dtype: 'bool' }))
  }
  const { attnMask, keyPaddingMask } = masks
  if (attnMask !== undefined) {
    const lead = attnMask.shape.slice(0, -2).reverse()
    const fits =
      [2, 4].includes(attnMask.shape.length) &&
      attnMask.shape.at(-1) === size &&
      attnMask.shape.at(-2) === length &&
      lead.every((d, i) => d === 1 || d === scores.shape[1 - i])
    if (!fits) {
      throw new ShapeError(
        layer,
        `attnMask must be [${length}, ${size}] or broadcast to ${formatShape(scores.shape)}, got ${formatShape(attnMask.shape)}`,
      )
    }
    if (attnMask.dtype === 'bool') hide(attnMask)
    else result = add(result, attnMask)
  }
  if (keyPaddingMask !== undefined) {
    if (keyPaddingMask.shape.join() !== [samples, size].join()) {
      throw new ShapeError(
        layer,
        `keyPaddingMask must be [${samples}, ${size}], got ${formatShape(keyPaddingMask.shape)}`,
      )
    }
    hide(unsqueeze(keyPaddingMask, [1, 2]))
  }
  return result
}

export interface TransformerEncoderLayerOptions {
  /** Width of the hidden layer of the feed-forward part. Default: 2048. */
  readonly dimFeedforward?: number
  /** Default: 0.1. */
  readonly dropout?: number
  /** Default: 'relu'. */
  readonly activation?: 'relu' | 'gelu' | ((x: Tensor) => Tensor)
  /** Default: 10⁻⁵. */
  readonly layerNormEps?: number
  /** [N, L, E] rather than [L, N, E]. Default: true, unlike PyTorch. */
  readonly batchFirst?: boolean
  /** Whether normalisation comes before attention and feed-forward, not after their sums. Default: false. */
  readonly normFirst?: boolean
  /** Default: true. */
  readonly bias?: boolean
  /** Determines initial numbers and masks. Default: counts up with every layer. */
  readonly seed?: number
}

/** A sequence [N, L, dModel], and masks as in self-attention. */
export type EncoderInputs = [source: Tensor, masks?: AttentionMasks]

/**
 * Self-attention and a feed-forward part, each with a residual connection and normalisation. Parameters: self_attn.…,
 * linear1.…, linear2.…, norm1.…, norm2.….
 */
export function TransformerEncoderLayer(
  dModel: number,
  nhead: number,
  options: TransformerEncoderLayerOptions = {},
): Module<EncoderInputs> {
  const { dimFeedforward = 2048, dropout = 0.1, activation = 'relu', layerNormEps: eps = 1e-5 } = options
  const { batchFirst = true, normFirst = false, bias = true, seed } = options
  const act = typeof activation === 'function' ? activation : { relu, gelu }[activation]
  if ((act as unknown) === undefined) {
    throw new BeyondgradError(
      'value',
      `TransformerEncoderLayer: activation is relu, gelu or a function, not "${String(activation)}"`,
    )
  }
  // Masks that drop the same elements would follow from one seed for all.
  const seedOf = (i: number): { readonly seed?: number } => (seed === undefined ? {} : { seed: seed * 6 + i })
  const parts = {
    self_attn: MultiheadAttention(dModel, nhead, { dropout, bias, batchFirst, ...seedOf(0) }),
    linear1: Linear(dModel, dimFeedforward, { bias, ...seedOf(1) }),
    dropout: Dropout(dropout, seedOf(2)),
    linear2: Linear(dimFeedforward, dModel, { bias, ...seedOf(3) }),
    norm1: LayerNorm(dModel, { eps, bias }),
    norm2: LayerNorm(dModel, { eps, bias }),
    dropout1: Dropout(dropout, seedOf(4)),
    dropout2: Dropout(dropout, seedOf(5)),
  }
  return defineModule(parts, (p, ...[x, masks]: EncoderInputs) => {
    const attended = (h: Tensor): Tensor => p.dropout1(p.self_attn(h, h, h, masks)[0])
    const fed = (h: Tensor): Tensor => p.dropout2(p.linear2(p.dropout(act(p.linear1(h)))))
    if (normFirst) {
      const h = x.add(attended(p.norm1(x)))
      return h.add(fed(p.norm2(h)))
    }
    const h = p.norm1(x.add(attended(x)))
    return p.norm2(h.add(fed(h)))
  })
}

/**
 * Encoder layers one after the other, and a normalisation at the end if there is one. Parameters: layers.0.…, norm.….
 *
 * @param layer makes a layer; called once for each, so that none share numbers
 */
export function TransformerEncoder(
  layer: (index: number) => Module<EncoderInputs>,
  numLayers: number,
  options: { readonly norm?: Module } = {},
): Module<EncoderInputs> {
  demandPositive('TransformerEncoder', { numLayers })
  const layers = Array.from({ length: numLayers }, (_, i) => layer(i))
  return defineModule({ layers, norm: options.norm ?? Identity() }, (p, ...[x, masks]: EncoderInputs) =>
    p.norm(p.layers.reduce((h, encode) => encode(h, masks), x)),
  )
}
