/**
 * @file The contractions behind every quantity. A sample's own derivative with respect to a weight is a product of
 * two factors, P[n] = Σₗ cotangent[n, :, l] input[n, :, l]ᵀ; each contraction is a composite node, so that the way
 * to compute it is chosen when everything that was asked for is known.
 *
 * Shapes: cotangent [V?, N, G, O, L], input [N, G, I, L]; V columns, N samples, G groups, L shared positions.
 */
import {
  type AnyTensor,
  build,
  composite,
  concat,
  type Convolution,
  convWith,
  defineComposite,
  inTurn,
  matmul,
  mul,
  ones,
  type Op,
  relu,
  reshape,
  sizeOf,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  unsqueeze,
} from '@beyondgrad/tensor'

interface Sizes {
  readonly columns: boolean
  readonly samples: number
  readonly groups: number
  readonly out: number
  readonly inner: number
  readonly positions: number
}

function sizesOf(cotangent: AnyTensor, input: AnyTensor): Sizes {
  const [samples, groups, inner, positions] = input.shape as [number, number, number, number]
  return {
    columns: cotangent.shape.length === 5,
    samples,
    groups,
    out: cotangent.shape.at(-2)!,
    inner,
    positions,
  }
}

const inputsOf = (inputs: readonly AnyTensor[]): readonly Tensor[] => inputs as readonly Tensor[]

/** [V?, N, G, O, I]: every sample's own product. */
function product(cotangent: Tensor, input: Tensor): Tensor {
  return matmul(cotangent, transposeLast(input))
}

/**
 * The products of all columns with the samples in front, [N, G, V·O, I]: the columns of one sample share its input, so
 * that one longer product a sample does.
 */
function sampleMajor(cotangent: Tensor): Tensor {
  if (cotangent.shape.length === 4) return cotangent
  const [columns, samples, groups, out, positions] = cotangent.shape as [
    number,
    number,
    number,
    number,
    number,
  ]
  const moved = transpose(cotangent, [1, 2, 0, 3, 4])
  return reshape(moved, [samples, groups, columns * out, positions])
}

/** Memory that one chunk of samples, unfolded, or its products may take: more would only be moved to and fro. */
const chunkBytes = 2 ** 22

/** Spans of samples of which each takes so many bytes at most. */
function spans(samples: number, bytesOfOne: number): (readonly [from: number, to: number])[] {
  const chunks = Math.ceil(samples / Math.max(1, Math.floor(chunkBytes / Math.max(1, bytesOfOne))))
  const size = Math.max(1, Math.ceil(samples / Math.max(1, chunks)))
  return Array.from({ length: Math.ceil(samples / size) }, (_, i) => [
    i * size,
    Math.min(samples, (i + 1) * size),
  ])
}

/** f(P of some samples) for one span after the other: the products of all samples never stand there together. */
function byChunks(
  cotangent: Tensor,
  input: Tensor,
  each: (products: Tensor, from: number, to: number) => Tensor,
): Tensor[] {
  return chunksOf(cotangent, input).map(({ products, from, to }) => each(products, from, to))
}

interface Chunk {
  readonly from: number
  readonly to: number
  readonly products: Tensor
}

const knownChunks = /* @__PURE__ */ new WeakMap<Tensor, Map<Tensor, readonly Chunk[]>>()
let rounds = 0

/** The products of one span after the other; the same nodes for everything that is made of them, and each span a turn. */
function chunksOf(cotangent: Tensor, input: Tensor): readonly Chunk[] {
  let known = knownChunks.get(cotangent)
  if (known === undefined) knownChunks.set(cotangent, (known = new Map<Tensor, readonly Chunk[]>()))
  const found = known.get(input)
  if (found !== undefined) return found
  const { samples, groups, inner, positions } = sizesOf(cotangent, input)
  const left = sampleMajor(cotangent)
  const bytes = 4 * groups * inner * Math.max(left.shape[2]!, positions)
  const of = `products ${rounds++}`
  const all = spans(samples, bytes)
  const chunks = all.map(([from, to]): Chunk => {
    const begin = (x: Tensor): Tensor => (all.length > 1 ? inTurn(x, of) : x)
    const [rows, columns] = [someSamples(left, from, to, (x) => x), someSamples(input, from, to, begin)]
    return { from, to, products: product(rows, columns) }
  })
  known.set(input, chunks)
  return chunks
}

const sumOf = (parts: readonly Tensor[]): Tensor => parts.reduce((a, b) => a.add(b))

/** Σ over samples and positions of a aᵀ for inputs a: [G, I, I]. */
export function inputMoments(input: Tensor): Tensor {
  const [samples, groups, inner, positions] = input.shape as [number, number, number, number]
  const parts = spans(samples, 4 * groups * inner * positions).map(([from, to]) => {
    const rows = reshape(
      transpose(
        someSamples(input, from, to, (x) => x),
        [1, 2, 0, 3],
      ),
      [groups, inner, -1],
    )
    return matmul(rows, transposeLast(rows))
  })
  return sumOf(parts)
}

/** Some of the samples on axis 0, taken before they are unfolded into windows: a window repeats what is in it. */
function someSamples(x: Tensor, from: number, to: number, begin: (rows: Tensor) => Tensor): Tensor {
  const { op, inputs, shape, attributes } = x
  const [before] = inputs as readonly Tensor[]
  if (op.name === 'reshape' && before!.shape[0] === shape[0]) {
    return reshape(someSamples(before!, from, to, begin), [to - from, ...shape.slice(1)])
  }
  if (op.name === 'unfold') return build<'float32'>(op, [someSamples(before!, from, to, begin)], attributes)
  return begin(slice(x, 0, from, to))
}

/** Σ over the first axis, as a product with ones: engines stream through it faster than through a reduction. */
function sumFirst(x: Tensor): Tensor {
  const [first, ...rest] = x.shape as [number, ...number[]]
  return reshape(matmul(ones([1, first]), reshape(x, [first, -1])), rest)
}

/** Without the axis of positions, of which there is one. */
function squeezed(x: Tensor): Tensor {
  return reshape(x, x.shape.slice(0, -1))
}

/** [..., G, X] → [G, X, samples]: one product a group over the samples. */
function samplesLast(x: Tensor): Tensor {
  return transpose(x, [1, 2, 0])
}

/** [N, G, X] → [G, N, X]. */
function groupsFirst(x: Tensor): Tensor {
  return transpose(x, [1, 0, 2])
}

/** Σₙ left[n, g, o] right[n, g, i] → [G, O, I]. */
function overSamples(left: Tensor, right: Tensor): Tensor {
  return matmul(samplesLast(left), groupsFirst(right))
}

const single = (node: AnyTensor): boolean => node.inputs[1]!.shape[3] === 1

/** Of the alternatives [direct, factored]: with one position everything factors. */
const chooseFactored: Op['choose'] = (node) => node.op.alternatives![single(node) ? 1 : 0]!

const perSampleOp = /* @__PURE__ */ defineComposite({
  name: 'perSample',
  alternatives: [
    { name: 'product', expand: (inputs) => product(inputsOf(inputs)[0]!, inputsOf(inputs)[1]!) },
  ],
})

/** Every sample's own derivative: [V?, N, G, O, I]. */
export function perSample(cotangent: Tensor, input: Tensor): Tensor {
  return composite(perSampleOp, [cotangent, input])
}

/** Σ over samples and positions: [G, O, I]. No columns. */
export function total(cotangent: Tensor, input: Tensor): Tensor {
  const { samples, groups, out, inner, positions } = sizesOf(cotangent, input)
  const long = samples * positions
  const left = reshape(transpose(cotangent, [1, 2, 0, 3]), [groups, out, long])
  const right = reshape(transpose(input, [1, 0, 3, 2]), [groups, long, inner])
  return matmul(left, right)
}

const squaredNormOp = /* @__PURE__ */ defineComposite({
  name: 'squaredNorm',
  alternatives: [
    {
      name: 'direct',
      expand: (inputs) => {
        const [cotangent, input] = inputsOf(inputs) as [Tensor, Tensor]
        const parts = byChunks(cotangent, input, (products, from, to) => {
          return sum(square(reshape(products, [to - from, -1])), [1])
        })
        return parts.length === 1 ? parts[0]! : concat(parts, 0)
      },
    },
    {
      name: 'factored',
      expand: (inputs) => {
        const [cotangent, input] = inputsOf(inputs).map(squeezed) as [Tensor, Tensor]
        return sum(mul(sum(square(cotangent), [-1]), sum(square(input), [-1])), [-1])
      },
    },
    {
      name: 'gram',
      expand: (inputs) => {
        const [cotangent, input] = inputsOf(inputs) as [Tensor, Tensor]
        const left = matmul(transposeLast(cotangent), cotangent)
        const right = matmul(transposeLast(input), input)
        // Round-off of positions that cancel must not make a square negative.
        return relu(sum(mul(left, right), [-3, -2, -1]))
      },
    },
  ],
  choose: (node, request) => {
    const [direct, factored, gram] = node.op.alternatives!
    if (single(node)) return factored!
    const { positions, inner, out } = sizesOf(node.inputs[0]!, node.inputs[1]!)
    // The products are free if somebody else needs them anyway.
    const shared = request.siblings(node.inputs[0]!).some(({ op }) => op !== node.op && op !== dotOp)
    const gramIsCheaper = positions * (inner + out) < inner * out
    return gramIsCheaper && !shared ? gram! : direct!
  },
})

/** ‖P[n]‖² for every sample: [N]. No columns. */
export function squaredNorm(cotangent: Tensor, input: Tensor): Tensor {
  return composite(squaredNormOp, [cotangent, input])
}

/** A weight [V, N] next to products [N, G, V·O, I]. */
function weightedSamples(products: Tensor, weight: Tensor | undefined, out: number): Tensor {
  if (weight === undefined) return products
  const [samples, groups, rows, inner] = products.shape as [number, number, number, number]
  const columns = rows / out
  const each = reshape(transpose(weight), [samples, 1, columns, 1, 1])
  return reshape(mul(reshape(products, [samples, groups, columns, out, inner]), each), products.shape)
}

/** A weight [V, N], if any, next to [V, N, ...]. */
export function weighted(x: Tensor, weight: Tensor | undefined): Tensor {
  if (weight === undefined) return x
  return mul(x, reshape(weight, [...weight.shape, ...x.shape.slice(2).map(() => 1)]))
}

/** What is left of the products beside k, the mean of a few samples: Σ(P − k)², Σ(P − k), and k. */
function aroundFew(
  cotangent: Tensor,
  input: Tensor,
): { readonly squares: Tensor; readonly sums: Tensor; readonly few: Tensor } {
  let few: Tensor | undefined
  const rests = byChunks(cotangent, input, (products, from, to) => {
    few ??= mul(sumFirst(products), 1 / (to - from))
    return sub(products, unsqueeze(few, [0]))
  })
  return {
    squares: sumOf(rests.map((rest) => sumFirst(square(rest)))),
    sums: sumOf(rests.map(sumFirst)),
    few: few!,
  }
}

const sumOfSquaresOp = /* @__PURE__ */ defineComposite({
  name: 'sumOfSquares',
  alternatives: [
    {
      name: 'direct',
      expand: (inputs) => {
        const [cotangent, input, weight] = inputsOf(inputs) as [Tensor, Tensor, Tensor?]
        const { columns, groups, out, inner } = sizesOf(cotangent, input)
        const squares = sumOf(
          byChunks(cotangent, input, (products, from, to) =>
            sumFirst(weightedSamples(square(products), weight && slice(weight, 1, from, to), out)),
          ),
        )
        return columns ? sum(reshape(squares, [groups, -1, out, inner]), [1]) : squares
      },
    },
    {
      name: 'factored',
      expand: (inputs) => {
        const [cotangent, input, weight] = inputsOf(inputs) as [Tensor, Tensor, Tensor?]
        const squares = weighted(square(squeezed(cotangent)), weight)
        const left = sizesOf(cotangent, input).columns ? sum(squares, [0]) : squares
        return overSamples(left, square(squeezed(input)))
      },
    },
    // Σ P² = Σ(P − k)² + 2 k Σ(P − k) + N k², where somebody else needs the squares around k anyway.
    {
      name: 'around few',
      expand: (inputs) => {
        const [cotangent, input] = inputsOf(inputs) as [Tensor, Tensor]
        const { squares, sums, few } = aroundFew(cotangent, input)
        return relu(squares.add(mul(few, sums.mul(2).add(mul(few, input.shape[0]!)))))
      },
    },
  ],
  choose: (node, request) => {
    const [direct, factored, aroundOthers] = node.op.alternatives!
    if (single(node)) return factored!
    const [cotangent, input] = node.inputs as readonly [AnyTensor, AnyTensor]
    const centred = request
      .siblings(cotangent)
      .some((other) => other.op.name === 'centredSumOfSquares' && other.inputs[1] === input)
    return centred && node.inputs.length === 2 && cotangent.shape.length === 4 ? aroundOthers! : direct!
  },
})

/** Σ over columns and samples of w · P²: [G, O, I]. The weight, if any, is [V, N]. */
export function sumOfSquares(cotangent: Tensor, input: Tensor, weight?: Tensor): Tensor {
  return composite(sumOfSquaresOp, weight === undefined ? [cotangent, input] : [cotangent, input, weight])
}

/** Σ over columns of w · P², for every sample: [N, G, O, I]. The weight, if any, is [V, N]. With columns. */
export function sampleSquares(cotangent: Tensor, input: Tensor, weight?: Tensor): Tensor {
  if (input.shape[3] === 1) {
    const squares = sum(weighted(square(cotangent), weight), [0])
    return product(squares, square(input))
  }
  // One column after the other, or all products of all columns would stand there at once.
  const parts = eachColumn(cotangent, (column, v) => {
    const squares = square(product(column, input))
    if (weight === undefined) return squares
    const each = reshape(slice(weight, 0, v, v + 1), [-1, 1, 1, 1])
    return mul(squares, each)
  })
  return parts.reduce((a, b) => a.add(b))
}

/** ‖P‖² of every column and sample: [V, N]. With columns. */
export function columnNorms(cotangent: Tensor, input: Tensor): Tensor {
  if (input.shape[3] === 1) {
    const norms = sum(square(cotangent), [-2, -1])
    return sum(mul(norms, sum(square(input), [-2, -1])), [-1])
  }
  const rows = eachColumn(cotangent, (column) => unsqueeze(squaredNorm(column, input), [0]))
  return concat(rows, 0)
}

function eachColumn(cotangent: Tensor, each: (column: Tensor, v: number) => Tensor): Tensor[] {
  const [columns, ...rest] = cotangent.shape as [number, ...number[]]
  return Array.from({ length: columns }, (_, v) => each(reshape(slice(cotangent, 0, v, v + 1), rest), v))
}

const centredSumOfSquaresOp = /* @__PURE__ */ defineComposite({
  name: 'centredSumOfSquares',
  alternatives: [
    // Σ(P − m)² = Σ(P − k)² − (Σ(P − k))² / N for any k; with the mean of a few samples for k, which is nearly that of all, nothing
    // cancels, and one pass over the products is enough.
    {
      name: 'direct',
      expand: (inputs) => {
        const [cotangent, input] = inputsOf(inputs) as [Tensor, Tensor]
        const { squares, sums } = aroundFew(cotangent, input)
        return relu(squares.sub(square(sums).mul(1 / input.shape[0]!)))
      },
    },
    // With bars for means over samples and tildes for what is left, ga − ḡā = ḡã + g̃a and has the mean c = ⟨g̃ã⟩, so
    // N Var = N ḡ²⟨ã²⟩ + Σ g̃²a² + Σ 2ḡg̃ ãa − N c². The first three are one product over 2N + 1 rows. Nothing cancels as
    // in ⟨g²a²⟩ − ⟨ga⟩².
    {
      name: 'factored',
      expand: (inputs) => {
        const [g, a] = inputsOf(inputs).map(squeezed) as [Tensor, Tensor]
        const n = a.shape[0]!
        const gMean = g.mean([0], { keep: true })
        const gRest = sub(g, gMean)
        const aRest = sub(a, a.mean([0], { keep: true }))
        const left = concat([square(gMean), square(gRest), mul(mul(gRest, gMean), 2)], 0)
        const right = concat([sum(square(aRest), [0], { keep: true }), square(a), mul(aRest, a)], 0)
        const c = overSamples(gRest, aRest)
        return relu(overSamples(left, right).sub(square(c).mul(1 / n)))
      },
    },
  ],
  choose: chooseFactored,
})

/** Σₙ (P[n] − mean)²: [G, O, I]. No columns. */
export function centredSumOfSquares(cotangent: Tensor, input: Tensor): Tensor {
  return composite(centredSumOfSquaresOp, [cotangent, input])
}

const gramOp = /* @__PURE__ */ defineComposite({
  name: 'gram',
  alternatives: [
    {
      name: 'direct',
      expand: (inputs) => {
        const [cotangent, input] = inputsOf(inputs) as [Tensor, Tensor]
        const flat = reshape(product(cotangent, input), [input.shape[0]!, -1])
        return matmul(flat, transposeLast(flat))
      },
    },
    {
      name: 'factored',
      expand: (inputs) => {
        const [g, a] = inputsOf(inputs).map((x) => groupsFirst(squeezed(x))) as [Tensor, Tensor]
        return sum(mul(matmul(g, transposeLast(g)), matmul(a, transposeLast(a))), [0])
      },
    },
  ],
  choose: chooseFactored,
})

/** ⟨P[m], P[n]⟩ for every pair of samples: [N, N]. No columns. */
export function gram(cotangent: Tensor, input: Tensor): Tensor {
  return composite(gramOp, [cotangent, input])
}

/** z = f(input, vector) for the map f whose weight the vector is like, [N, G, O, L]: what ⟨P[n], vector⟩ = ⟨cotangent[n], z[n]⟩ needs. */
function mapped(input: Tensor, vector: Tensor): Tensor {
  const [samples, groups, inner, positions] = input.shape as [number, number, number, number]
  const out = vector.shape[1]!
  const windows = windowsIn(input)
  if (windows !== undefined) {
    const geometry = { ...(windows.attributes as unknown as Convolution), groups }
    const kernel = [groups * out, inner / sizeOf(geometry.kernel), ...geometry.kernel]
    const z = convWith(windows.inputs[0] as Tensor, reshape(vector, kernel), geometry)
    return reshape(z, [samples, groups, out, positions])
  }
  // One long product a group, rather than a short one a sample.
  const rows = reshape(transpose(input, [1, 0, 3, 2]), [groups, samples * positions, inner])
  const z = reshape(matmul(rows, transposeLast(vector)), [groups, samples, positions, out])
  return transpose(z, [1, 0, 3, 2])
}

/** The windows that the inputs of a convolution are, if they are. */
function windowsIn(input: Tensor): AnyTensor | undefined {
  let x: AnyTensor = input
  while (x.op.name === 'reshape' && x.inputs[0]!.shape[0] === input.shape[0]) x = x.inputs[0]!
  return x.op.name === 'unfold' ? x : undefined
}

const dotOp: Op = /* @__PURE__ */ defineComposite({
  name: 'dot',
  alternatives: [
    {
      name: 'mapped',
      expand: (inputs) => {
        const [cotangent, input, vector] = inputsOf(inputs) as [Tensor, Tensor, Tensor]
        return sum(mul(cotangent, mapped(input, vector)), [1, 2, 3])
      },
    },
    {
      name: 'products',
      expand: (inputs) => {
        const [cotangent, input, vector] = inputsOf(inputs) as [Tensor, Tensor, Tensor]
        const column = reshape(vector, [-1, 1])
        const parts = byChunks(cotangent, input, (products, from, to) =>
          reshape(matmul(reshape(products, [to - from, -1]), column), [to - from]),
        )
        return parts.length === 1 ? parts[0]! : concat(parts, 0)
      },
    },
  ],
  choose: (node, request) => {
    const [throughMap, throughProducts] = node.op.alternatives!
    const norms = request
      .siblings(node.inputs[0]!)
      .find((other) => other.op === squaredNormOp && other.inputs[1] === node.inputs[1])
    // The products are there anyway.
    return norms?.op.choose?.(norms, request).name === 'direct' ? throughProducts! : throughMap!
  },
})

/** ⟨P[n], vector⟩ for every sample, vector [G, O, I]: [N]. No columns. */
export function dot(cotangent: Tensor, input: Tensor, vector: Tensor): Tensor {
  return composite(dotOp, [cotangent, input, vector])
}
