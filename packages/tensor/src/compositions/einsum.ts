/**
 * @file Einstein summation. An equation is carried out as products of two operands at a time, the pair with the
 * smallest result first; each product is one `matmul`, or a multiplication where nothing is summed.
 */
import { type DType, isFloat } from '../dtype.ts'
import { ShapeError } from '../errors.ts'
import { type AnyTensor, demandTensors, type Tensor } from '../node.ts'
import { mul } from '../ops/elementwise.ts'
import { matmul } from '../ops/contract.ts'
import { reshape, transpose } from '../ops/movement.ts'
import { sum } from '../ops/reduce.ts'
import { formatShape, sizeOf } from '../shape.ts'
import { diagonal, moveAxes } from './arrange.ts'

/** A tensor whose axes have names: letters, and numbers (counted from the end) for what an ellipsis stands for. */
interface Term {
  readonly x: Tensor
  readonly names: readonly string[]
}

/**
 * Σ over every name that the right-hand side lacks, of the product of all operands.
 *
 * @param equation as NumPy's: `'bij,bjk->bik'`, `'ii->i'`, `'...ij,jk'`; without an arrow the result has the names that
 *   occur once, in alphabetical order, after what the ellipses stand for
 * @throws ShapeError naming the equation where operands do not fit it
 */
export function einsum<D extends DType = 'float32'>(
  equation: string,
  ...operands: readonly Tensor<D>[]
): Tensor<D> {
  if (typeof equation !== 'string')
    throw new ShapeError('einsum', `takes an equation, not ${typeof equation}`)
  demandTensors('einsum', ...operands)
  const [left, right, more] = equation.replaceAll(/\s/g, '').split('->')
  const inputs = left!.split(',')
  if (more !== undefined || inputs.length !== operands.length || !inputs.every(isSubscript)) {
    throw new ShapeError(
      'einsum',
      `"${equation}" is not an equation for ${operands.length} operand(s); write one term of letters for each, as in "ij,jk->ik"`,
    )
  }
  // Products of integers are multiplications and sums, which take them as they are.
  const open = (operands as readonly AnyTensor[] as readonly Tensor[]).map((x, i) => ({
    x,
    names: namesOf(equation, inputs[i]!, x),
  }))
  const sizes = sizesOf(equation, open)
  const dots = [...sizes.keys()]
    .filter((name) => name.startsWith('.'))
    .sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)))
  const output = right === undefined ? impliedOutput(open, dots) : outputOf(equation, right, sizes, dots)
  const terms = open.map((term) => withoutOnes(onDiagonals(term), sizes))
  // A name that no operand kept has size 1.
  return spread(contractAll(terms, output), output) as AnyTensor as Tensor<D>
}

const isSubscript = (term: string): boolean => /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term)

function namesOf(equation: string, term: string, { shape }: Tensor): string[] {
  const letters = term.replace('...', '')
  const hidden = shape.length - letters.length
  if (hidden < 0 || (hidden > 0 && !term.includes('...'))) {
    throw new ShapeError(
      'einsum',
      `"${term}" in "${equation}" names ${letters.length} axes of an operand of shape ${formatShape(shape)}`,
    )
  }
  if (!term.includes('...')) return [...term]
  const [before, after] = term.split('...') as [string, string]
  // Ellipses are aligned at their ends.
  return [...before, ...Array.from({ length: hidden }, (_, i) => `.${hidden - i}`), ...after]
}

/** The size of every name; an axis of size 1 broadcasts. */
function sizesOf(equation: string, terms: readonly Term[]): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const { x, names } of terms) {
    names.forEach((name, axis) => {
      const [size, known] = [x.shape[axis]!, sizes.get(name) ?? 1]
      if (size !== known && size !== 1 && known !== 1) {
        const what = name.startsWith('.') ? `axis ${name.slice(1)} from the end of the ellipsis` : `"${name}"`
        throw new ShapeError(
          'einsum',
          `${what} in "${equation}" has sizes ${known} and ${size} (operands ${terms.map((t) => formatShape(t.x.shape)).join(', ')})`,
        )
      }
      sizes.set(name, known === 1 ? size : known)
    })
  }
  return sizes
}

function impliedOutput(terms: readonly Term[], dots: readonly string[]): string[] {
  const all = terms.flatMap(({ names }) => names).filter((name) => !name.startsWith('.'))
  return [...dots, ...all.filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort()]
}

function outputOf(
  equation: string,
  right: string,
  sizes: ReadonlyMap<string, number>,
  dots: readonly string[],
): string[] {
  const [before, after = ''] = right.split('...') as [string, string?]
  const names = [...before, ...(right.includes('...') ? dots : []), ...after]
  const wrong = names.find((name, i) => !sizes.has(name) || names.indexOf(name) !== i)
  if (!isSubscript(right) || wrong !== undefined) {
    throw new ShapeError(
      'einsum',
      `the result "${right}" of "${equation}" must name axes of the operands, each once${wrong === undefined ? '' : `; "${wrong}" it may not`}`,
    )
  }
  return names
}

/** A name that occurs twice in one operand stands for the diagonal. */
function onDiagonals(term: Term): Term {
  const again = term.names.findIndex((name, axis) => term.names.indexOf(name) !== axis)
  if (again === -1) return term
  const first = term.names.indexOf(term.names[again]!)
  const [m, n] = [term.x.shape[first]!, term.x.shape[again]!]
  // One of size 1 broadcasts along the other.
  const moved = moveAxes(term.x, [first, again], [-2, -1])
  const taken = m === n ? diagonal(moved) : reshape(moved, [...moved.shape.slice(0, -2), Math.max(m, n)])
  const rest = term.names.filter((_, axis) => axis !== first && axis !== again)
  return onDiagonals({ x: taken, names: [...rest, term.names[again]!] })
}

/** Axes that broadcast are left out: multiplication repeats the operand anyway. */
function withoutOnes({ x, names }: Term, sizes: ReadonlyMap<string, number>): Term {
  const kept = names.map((name, axis) => x.shape[axis] === sizes.get(name))
  if (kept.every(Boolean)) return { x, names }
  return {
    x: reshape(
      x,
      x.shape.filter((_, axis) => kept[axis]),
    ),
    names: names.filter((_, axis) => kept[axis]),
  }
}

/** Sums what occurs in this operand only. */
function summed({ x, names }: Term, wanted: ReadonlySet<string>): Term {
  const gone = names.flatMap((name, axis) => (wanted.has(name) ? [] : [axis]))
  return gone.length === 0
    ? { x, names }
    : { x: sum(x, gone), names: names.filter((name) => wanted.has(name)) }
}

function contractAll(terms: readonly Term[], output: readonly string[]): Term {
  let left = [...terms]
  const others = (some: readonly Term[]): Set<string> =>
    new Set([...output, ...left.filter((term) => !some.includes(term)).flatMap((term) => term.names)])
  left = left.map((term) => summed(term, others([term])))
  while (left.length > 1) {
    let best: { pair: [Term, Term]; size: number } | undefined
    for (let i = 0; i < left.length; i++) {
      for (let j = i + 1; j < left.length; j++) {
        const size = productSize(left[i]!, left[j]!, others([left[i]!, left[j]!]))
        if (best === undefined || size < best.size) best = { pair: [left[i]!, left[j]!], size }
      }
    }
    const { pair } = best!
    const product = contract(...pair, others(pair))
    left = [...left.filter((term) => !pair.includes(term)), product]
  }
  return left[0]!
}

function productSize(a: Term, b: Term, wanted: ReadonlySet<string>): number {
  const size = (term: Term, names: readonly string[]): number =>
    sizeOf(names.map((name) => term.x.shape[term.names.indexOf(name)]!))
  const own = b.names.filter((name) => wanted.has(name) && !a.names.includes(name))
  return (
    size(
      a,
      a.names.filter((name) => wanted.has(name)),
    ) * size(b, own)
  )
}

/** The product of two operands, summed over what both have and nobody wants. */
function contract(a: Term, b: Term, wanted: ReadonlySet<string>): Term {
  const both = a.names.filter((name) => b.names.includes(name))
  const batch = both.filter((name) => wanted.has(name))
  const inner = both.filter((name) => !wanted.has(name))
  const rows = a.names.filter((name) => !both.includes(name))
  const columns = b.names.filter((name) => !both.includes(name))
  if (inner.length === 0 || !isFloat(a.x.dtype)) {
    const names = [...batch, ...rows, ...columns, ...inner]
    const x = mul(spread(a, names), spread(b, names))
    return summed({ x, names }, wanted)
  }
  const sizes = (term: Term, names: readonly string[]): number[] =>
    names.map((name) => term.x.shape[term.names.indexOf(name)]!)
  const [depth, width] = [sizeOf(sizes(a, inner)), sizeOf(sizes(b, columns))]
  // Without shared axes the rows stay apart, as a layer's input has them.
  const rowSizes = sizes(a, rows)
  const height = batch.length === 0 ? rowSizes : [sizeOf(rowSizes)]
  const x = reshape(ordered(a, [...batch, ...rows, ...inner]), [...sizes(a, batch), ...height, depth])
  const y = reshape(ordered(b, [...batch, ...inner, ...columns]), [...sizes(b, batch), depth, width])
  const product = x.shape.length === 1 ? matmul(reshape(x, [1, depth]), y) : matmul(x, y)
  const names = [...batch, ...rows, ...columns]
  return { x: reshape(product, [...sizes(a, batch), ...rowSizes, ...sizes(b, columns)]), names }
}

const ordered = ({ x, names }: Term, order: readonly string[]): Tensor =>
  transpose(
    x,
    order.map((name) => names.indexOf(name)),
  )

/** With an axis for every name, of size 1 where the operand lacks it. */
function spread(term: Term, names: readonly string[]): Tensor {
  const own = ordered(
    term,
    names.filter((name) => term.names.includes(name)),
  )
  let axis = 0
  return reshape(
    own,
    names.map((name) => (term.names.includes(name) ? own.shape[axis++]! : 1)),
  )
}
