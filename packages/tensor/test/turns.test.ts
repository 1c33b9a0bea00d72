import { describe, expect, it } from 'vitest'
import {
  add,
  type AnyTensor,
  capture,
  evaluate,
  inTurn,
  liveBytes,
  matmul,
  mul,
  sum,
  tanh,
  tensor,
  type Tensor,
  vmap,
} from '../src/index.ts'

const [rows, width] = [1000, 50]
const big = 4 * rows * width

const x = tensor(
  Float32Array.from({ length: rows * 5 }, (_, i) => Math.sin(i)),
  {
    shape: [rows, 5],
    dtype: 'float32',
  },
)
const weight = (i: number): Tensor =>
  tensor(
    Float32Array.from({ length: 5 * width }, (_, j) => Math.cos(i + j)),
    {
      shape: [5, width],
      dtype: 'float32',
    },
  )

/** Two results of every round, either of which is a sum over the rounds. */
function rounds(start: (w: Tensor) => Tensor, count = 8): Tensor[] {
  const hidden = Array.from({ length: count }, (_, i) => tanh(matmul(x, start(weight(i)))))
  const first = hidden.map((h) => sum(h.square(), [0])).reduce((a, b) => add(a, b))
  const second = hidden.map((h) => matmul(h.transpose(), h)).reduce((a, b) => add(a, b))
  return [first, second]
}

const bytesOf = (outputs: readonly AnyTensor[]): number =>
  liveBytes(capture(() => [...outputs], 'turns').graph)

const numbersOf = async (outputs: readonly Tensor[]): Promise<number[]> =>
  (await evaluate([...outputs])).flatMap(({ data }) => [...data])

describe('inTurn', () => {
  it('keeps one round at a time, where all of them were kept', async () => {
    const [plain, turned] = [rounds((w) => w), rounds((w) => inTurn(w, 'rounds'))]
    // What the first sum has gone through is still needed by the second one.
    expect(bytesOf(plain)).toBeGreaterThan(8 * big)
    expect(bytesOf(turned)).toBeLessThan(4 * big)
    expect(await numbersOf(turned)).toEqual(await numbersOf(plain))
  })

  it('changes nothing where a round leaves the graph by itself', async () => {
    const make = (start: (w: Tensor) => Tensor): Tensor[] =>
      Array.from({ length: 4 }, (_, i) => tanh(matmul(x, start(weight(i)))).mean())
    expect(await numbersOf(make((w) => inTurn(w, 'alone')))).toEqual(await numbersOf(make((w) => w)))
  })

  it('does not wait in circles: rounds of the same name that build on each other', async () => {
    const make = (start: (w: Tensor) => Tensor): Tensor[] => {
      const [first] = rounds(start, 3) as [Tensor]
      const later = Array.from({ length: 3 }, (_, i) => sum(tanh(mul(start(weight(i)), first)), [0]))
      return [later.reduce((a, b) => add(a, b)), first]
    }
    expect(await numbersOf(make((w) => inTurn(w, 'same')))).toEqual(await numbersOf(make((w) => w)))
  })

  it('keeps rounds of different names apart, and may start at a result or at nothing', async () => {
    const empty = tensor(new Float32Array(0), { shape: [0, 3], dtype: 'float32' })
    const make = (turn: (w: Tensor, of: string) => Tensor): Tensor[] => {
      const a = rounds((w) => turn(w, 'a'), 2)
      const b = rounds((w) => turn(w, 'b'), 3)
      return [a[0]!.add(b[0]!), turn(a[1]!, 'b'), turn(empty, 'a').sum()]
    }
    expect(await numbersOf(make(inTurn))).toEqual(await numbersOf(make((w) => w)))
  })

  it('goes with vmap', async () => {
    const f = (w: Tensor): Tensor =>
      inTurn(w, 'lifted')
        .square()
        .add(inTurn(w.mul(2), 'lifted'))
    const w = weight(0)
    expect(await numbersOf([vmap(f)(w)])).toEqual(await numbersOf([w.square().add(w.mul(2))]))
  })
})
