import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { einsum, evaluate, intTensor, referenceEngine, reshape, tensor, type Tensor } from '../src/index.ts'
import { expectValues } from './expect-values.ts'

const engine = referenceEngine()

const filled = (shape: readonly number[], seed: number): Tensor =>
  reshape(
    tensor(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 1.7 * i))),
    shape,
  )

/** The definition: a loop over every value of every name. */
function byDefinition(
  terms: readonly string[],
  output: string,
  sizes: Readonly<Record<string, number>>,
  data: readonly ArrayLike<number>[],
): number[] {
  const names = Object.keys(sizes)
  const at = (term: string, index: Readonly<Record<string, number>>): number =>
    [...term].reduce((flat, name) => flat * sizes[name]! + index[name]!, 0)
  const result = new Array<number>([...output].reduce((n, name) => n * sizes[name]!, 1)).fill(0)
  const index: Record<string, number> = {}
  const loop = (depth: number): void => {
    if (depth === names.length) {
      result[at(output, index)]! += terms.reduce((p, term, i) => p * data[i]![at(term, index)]!, 1)
      return
    }
    const name = names[depth]!
    for (let i = 0; i < sizes[name]!; i++) {
      index[name] = i
      loop(depth + 1)
    }
  }
  loop(0)
  return result
}

const equations = fc
  .record({
    terms: fc.array(fc.array(fc.constantFrom(...'abcde'), { maxLength: 4 }), { minLength: 1, maxLength: 4 }),
    sizes: fc.record({
      a: fc.integer({ min: 1, max: 3 }),
      b: fc.integer({ min: 0, max: 3 }),
      c: fc.integer({ min: 1, max: 3 }),
      d: fc.integer({ min: 1, max: 2 }),
      e: fc.integer({ min: 2, max: 3 }),
    }),
    order: fc.shuffledSubarray([...'abcde']),
  })
  .map(({ terms, sizes, order }) => {
    const used = new Set(terms.flat())
    return {
      terms: terms.map((term) => term.join('')),
      output: order.filter((name) => used.has(name)).join(''),
      sizes: Object.fromEntries(Object.entries(sizes).filter(([name]) => used.has(name))),
    }
  })

describe('einsum', () => {
  it('is the sum over all names, for any equation', async () => {
    await fc.assert(
      fc.asyncProperty(equations, async ({ terms, output, sizes }) => {
        const operands = terms.map((term, i) =>
          filled(
            [...term].map((name) => sizes[name]!),
            i,
          ),
        )
        const result = einsum(`${terms.join(',')}->${output}`, ...operands)
        expect(result.shape).toEqual([...output].map((name) => sizes[name]))
        const [found, ...data] = await evaluate([result, ...operands], { engine })
        const expected = byDefinition(
          terms,
          output,
          sizes,
          data.map((x) => x.data),
        )
        expected.forEach((value, i) => expect(found.data[i]).toBeCloseTo(value, 10))
      }),
      { numRuns: 300 },
    )
  })

  it('broadcasts ellipses and axes of size 1', async () => {
    const [a, b] = [filled([2, 1, 3, 4], 1), filled([5, 4, 2], 2)]
    expect(einsum('...ij,...jk->...ik', a, b).shape).toEqual([2, 5, 3, 2])
    expect(einsum('...ij,...jk', a, b).shape).toEqual([2, 5, 3, 2])
    await expectValues(einsum('ij,ij->ij', tensor([[1, 2]]), tensor([[3], [4]])), [
      [3, 6],
      [4, 8],
    ])
    await expectValues(
      einsum(
        '...ii->...',
        tensor([
          [
            [1, 2],
            [3, 4],
          ],
        ]),
      ),
      [5],
    )
    await expectValues(einsum('...', tensor([1, 2])), [1, 2])
  })

  it('without an arrow names what occurs once, in alphabetical order', async () => {
    await expectValues(einsum('ba', tensor([[1, 2, 3]])), [[1], [2], [3]])
    await expectValues(einsum('ij,jk', tensor([[1, 2]]), tensor([[3], [4]])), [[11]])
    await expectValues(einsum('i,i', tensor([1, 2]), tensor([3, 4])), 11)
    await expectValues(einsum(' i j -> j i ', tensor([[1, 2]])), [[1], [2]])
  })

  it('of integers is exact', async () => {
    await expectValues(einsum('ij,ij->i', intTensor([[16777217, 1]]), intTensor([[1, 1]])), [16777218])
  })

  it('a layer is one product, its input not reordered', () => {
    const z = einsum('nti,io->nto', filled([2, 3, 4], 1), filled([4, 5], 2))
    expect(z.op.name).toBe('matmul')
    expect(z.inputs[0]!.shape).toEqual([2, 3, 4])
  })

  it.each([
    ['ij->', [[2]], /names 2 axes of an operand of shape \[2\]/],
    ['i', [[2, 3]], /names 1 axes of an operand of shape \[2, 3\]/],
    ['i,i->i', [[2], [3]], /"i" in "i,i->i" has sizes 2 and 3/],
    [
      '...i,...i',
      [
        [4, 2],
        [3, 2],
      ],
      /axis 1 from the end of the ellipsis/,
    ],
    ['ij->k', [[2, 3]], /"k" it may not/],
    ['ij->ii', [[2, 3]], /"i" it may not/],
    [
      'ij',
      [
        [2, 3],
        [2, 3],
      ],
      /not an equation for 2 operand/,
    ],
    ['i1->i', [[2, 3]], /not an equation/],
    ['i->j->k', [[2]], /not an equation/],
  ])('%s of %j is an error that says why', (equation, shapes, message) => {
    expect(() => einsum(equation, ...shapes.map((shape) => filled(shape, 0)))).toThrow(message)
  })
})
