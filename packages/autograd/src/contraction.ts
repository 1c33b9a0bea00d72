/**
 * @file The contractions behind every quantity. A sample's own derivative with respect to a weight is a product of
 * two factors, P[n] = Σₗ cotangent[n, :, l] input[n, :, l]ᵀ; each contraction is a composite node, so that the way
 * to compute it is chosen when everything that was asked for is known.
 *
 * Shapes: cotangent [V?, N, G, O, L], input [N, G, I, L]; V columns, N samples, G groups, L shared positions.
 */
import {
  type AnyTensor,
  composite,
  concat,
  defineComposite,
  matmul,
  mul,
  ones,
  relu,
  reshape,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  unsqueeze,
} from '@beyondgrad/tensor'
import {
  byChunks,
  chooseFactored,
  eachColumn,
  groupsFirst,
  inputsOf,
  product,
  samplesLast,
  single,
  sizesOf,
  someSamples,
  spans,
  squeezed,
  sumOf,
} from './sample-products.ts'

export { columnNorms, dot, gram, squaredNorm } from './sample-scalars.ts'

/** Σ over samples and positions of a aᵀ for inputs a: [G, I, I]. */
export function inputMoments(input: Tensor): Tensor {
  const [samples, groups, inner, positions] = input.shape as [number, number, number, number]
  const parts = spans(samples, 4 * groups * inner * positions).map(([from, to]) => {
    const rows = reshape(transpose(someSamples(input, from, to), [1, 2, 0, 3]), [groups, inner, -1])
    return matmul(rows, transposeLast(rows))
  })
  return sumOf(parts)
}

/** Σ over the first axis, as a product with ones: engines stream through it faster than through a reduction. */
function sumFirst(x: Tensor): Tensor {
  const [first, ...rest] = x.shape as [number, ...number[]]
  return reshape(matmul(ones([1, first]), reshape(x, [first, -1])), rest)
}

/** Σₙ left[n, g, o] right[n, g, i] → [G, O, I]. */
function overSamples(left: Tensor, right: Tensor): Tensor {
  return matmul(samplesLast(left), groupsFirst(right))
}

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
