/** @file Attention and rotary positions, written out. */
import {
  add,
  type AnyTensor,
  cast,
  concat,
  div,
  equal,
  exp,
  expand,
  gather,
  greaterEqual,
  type Indices,
  iota,
  isFinite,
  less,
  lessEqual,
  logicalAnd,
  matmul,
  max,
  mul,
  padWith,
  repeatInterleave,
  reshape,
  slice,
  softmax,
  stack,
  sub,
  sum,
  tanh,
  type Tensor,
  transpose,
  transposeLast,
  where,
} from '@beyondgrad/tensor'
import { type OperatorCall, operator, type OperatorTable } from '../operator.ts'

/** [N, heads, positions, width], of that or of [N, positions, heads × width]. */
function byHeads(call: OperatorCall, x: Tensor, attribute: string): Tensor {
  if (x.shape.length === 4) return x
  const heads = call.attributes.int(attribute)
  const [n, positions, width] = x.shape as [number, number, number]
  return transpose(reshape(x, [n, positions, heads, width / heads]), [0, 2, 1, 3])
}

/** Softmax over the last axis that is 0 where nothing may be looked at. */
function robustSoftmax(scores: Tensor): Tensor {
  const axis = [scores.shape.length - 1]
  const top = max(scores, axis, { keep: true })
  const e = exp(sub(scores, where(isFinite(top), top, 0)))
  const total = sum(e, axis, { keep: true })
  return div(e, where(equal(total, 0), 1, total))
}

/** Which keys a query may look at, for what the attributes say; undefined if at all of them. Broadcasts to [N, 1, S, T]. */
function window(call: OperatorCall, queries: number, keys: number, past: number): Tensor<'bool'> | undefined {
  const causal = call.attributes.flag('is_causal')
  const left = call.attributes.int('left_window_size', -1)
  const lengths = call.has(6) ? cast(call.any(6), 'int32') : undefined
  const key = reshape(iota(keys), [1, 1, 1, keys])
  const index = reshape(iota(queries), [1, 1, queries, 1])
  const ends = lengths && reshape(lengths, [lengths.shape[0]!, 1, 1, 1])
  // With a cache the queries stand at the end of what is in it.
  const query = ends ? add<'int32'>(index, sub<'int32'>(ends, queries)) : add<'int32'>(index, past)
  const rules = [
    causal ? lessEqual<'int32'>(key, query) : undefined,
    left >= 0 ? greaterEqual<'int32'>(key, sub<'int32'>(query, left)) : undefined,
    ends ? less<'int32'>(key, ends) : undefined,
  ].filter((rule) => rule !== undefined)
  return rules.length === 0 ? undefined : rules.reduce((a, b) => logicalAnd(...joined(a, b)))
}

/** Two masks, brought to one shape. */
function joined(a: Tensor<'bool'>, b: Tensor<'bool'>): [Tensor<'bool'>, Tensor<'bool'>] {
  const shape = a.shape.map((size, axis) => Math.max(size, b.shape[axis]!))
  return [expand(a, shape), expand(b, shape)]
}

function attention(call: OperatorCall): (AnyTensor | undefined)[] {
  const { attributes } = call
  const flat = call.float(0).shape.length === 3
  const query = byHeads(call, call.float(0), 'q_num_heads')
  const cached = (input: number, from: number): Tensor => {
    const now = byHeads(call, call.float(input), 'kv_num_heads')
    return call.has(from) ? concat([call.float(from), now], 2) : now
  }
  const [key, value] = [cached(1, 4), cached(2, 5)]
  const [heads, queries, width] = [query.shape[1]!, query.shape[2]!, query.shape[3]!]
  const keys = key.shape[2]!
  const shared = heads / key.shape[1]!
  const repeated = (x: Tensor): Tensor => (shared === 1 ? x : repeatInterleave(x, shared, 1))
  const root = Math.sqrt(attributes.has('scale') ? attributes.float('scale') : 1 / Math.sqrt(width))
  const products = matmul(mul(query, root), transposeLast(mul(repeated(key), root)))
  const cap = attributes.float('softcap', 0)
  const capped = cap === 0 ? products : mul(tanh(mul(products, 1 / cap)), cap)
  const allowed = window(call, queries, keys, call.has(4) ? call.float(4).shape[2]! : 0)
  let biased = capped
  if (call.has(3)) {
    const mask = call.any(3)
    const size = mask.shape.at(-1)!
    const missing = keys - size
    const none = mask.shape.map(() => 0)
    if (mask.dtype === 'bool') {
      const longer =
        missing > 0 ? padWith(mask as Tensor<'bool'>, none, none.with(-1, missing), 'constant', 0) : mask
      biased = where(longer as Tensor<'bool'>, biased, -Infinity)
    } else {
      // Keys that the mask says nothing of are not looked at.
      const longer =
        missing > 0
          ? padWith(mask as Tensor, none, none.with(-1, missing), 'constant', -Infinity)
          : (mask as Tensor)
      biased = add(biased, longer)
    }
  }
  if (allowed !== undefined) biased = where(allowed, biased, -Infinity)
  const masked = call.has(3) || allowed !== undefined
  const weights = masked ? robustSoftmax(biased) : softmax(biased)
  const y = matmul(weights, repeated(value))
  const [n, , , depth] = y.shape as [number, number, number, number]
  const output = flat ? reshape(transpose(y, [0, 2, 1, 3]), [n, queries, heads * depth]) : y
  const inside = [products, capped, biased, weights][attributes.int('qk_matmul_output_mode', 0)]
  return [output, key, value, inside]
}

/** Pairs of entries turned by angles that grow with the position (Su et al., 2021). */
function rotary(call: OperatorCall): AnyTensor {
  const given = call.float(0)
  const flat = given.shape.length === 3
  const x = byHeads(call, given, 'num_heads')
  const [n, heads, positions, width] = x.shape as [number, number, number, number]
  const turned = call.attributes.int('rotary_embedding_dim', 0) || width
  const half = turned / 2
  const angle = (input: number): Tensor => {
    const cache = call.float(input)
    const rows = call.has(3) ? gather(cache, call.any(3) as Indices, 0) : cache
    return reshape(rows, [rows.shape[0]!, 1, positions, half])
  }
  const [cosine, sine] = [angle(1), angle(2)]
  const interleaved = call.attributes.flag('interleaved')
  const front = slice(x, 3, 0, turned)
  const pairs = interleaved
    ? reshape(front, [n, heads, positions, half, 2])
    : transpose(reshape(front, [n, heads, positions, 2, half]), [0, 1, 2, 4, 3])
  const part = (i: number): Tensor => reshape(slice(pairs, 4, i, i + 1), [n, heads, positions, half])
  const [a, b] = [part(0), part(1)]
  const real = sub(mul(cosine, a), mul(sine, b))
  const imaginary = add(mul(sine, a), mul(cosine, b))
  const together = interleaved
    ? reshape(stack([real, imaginary], 4), [n, heads, positions, turned])
    : concat([real, imaginary], 3)
  const y = turned === width ? together : concat([together, slice(x, 3, turned)], 3)
  return flat ? reshape(transpose(y, [0, 2, 1, 3]), given.shape) : y
}

export const attentions: OperatorTable = {
  Attention: operator(attention, { settings: [3] }),
  RotaryEmbedding: operator(rotary, { settings: [1, 2] }),
}
