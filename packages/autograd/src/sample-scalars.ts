/**
 * @file One number for every sample of a weight's per-sample derivatives P, or for every two: norms, products with a vector, products with
 * each other. Composite nodes, so that the way is chosen when everything that was asked for is known.
 *
 * Shapes: cotangent [V?, N, G, O, L], input [N, G, I, L]; V columns, N samples, G groups, L shared positions.
 */
import {
  type AnyTensor,
  composite,
  concat,
  type Convolution,
  convWith,
  defineComposite,
  matmul,
  mul,
  type Op,
  relu,
  reshape,
  sizeOf,
  square,
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
  rowsOf,
  single,
  sizesOf,
  squeezed,
} from './sample-products.ts'

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
        const [cotangent, input] = inputsOf(inputs).map(rowsOf) as [Tensor, Tensor]
        const products = mul(sum(square(cotangent), [-1]), sum(square(input), [-1]))
        return products.shape.length === 1 ? products : sum(products, [-1])
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

/** ‖P‖² of every column and sample: [V, N]. With columns. */
export function columnNorms(cotangent: Tensor, input: Tensor): Tensor {
  if (input.shape[3] === 1) {
    const norms = sum(square(cotangent), [-2, -1])
    return sum(mul(norms, sum(square(input), [-2, -1])), [-1])
  }
  const rows = eachColumn(cotangent, (column) => unsqueeze(squaredNorm(column, input), [0]))
  return concat(rows, 0)
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
        if (input.shape[1] === 1 && input.shape[3] === 1) {
          // One factor a sample: nothing but a product of matrices.
          const z = matmul(rowsOf(input), transposeLast(reshape(vector, vector.shape.slice(1))))
          return sum(mul(rowsOf(cotangent), z), [1])
        }
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
