import {
  BeyondgradError,
  type Engine,
  type Graph,
  type HostArray,
  referenceEngine,
  topologicalOrder,
} from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { checkEngine, engineTable } from '../src/index.ts'

/** The reference engine with a fault in what its executables take or give. */
function faulty(
  fault: (results: readonly HostArray[], feeds: readonly HostArray[], graph: Graph) => readonly HostArray[],
): Engine {
  const engine = referenceEngine()
  return {
    ...engine,
    name: 'faulty',
    compile: async (graph) => {
      const executable = await engine.compile(graph)
      return {
        ...executable,
        run: async (feeds, options) => fault(await executable.run(feeds, options), feeds, graph),
      }
    },
  }
}

describe('checkEngine', () => {
  it('accepts the reference engine, new or used', async () => {
    const engine = referenceEngine()
    const { ops, refusals, graphs } = await checkEngine(engine, { graphs: 30 })
    expect([graphs, refusals.size]).toEqual([30, 0])
    expect(ops.get('add')).toBeGreaterThan(5)
    expect(Math.max(...ops.values())).toBeLessThanOrEqual(30)
    await checkEngine(engine, { graphs: 5, seed: 900, gradients: false, operations: ['add', 'matmul'] })
  })

  it('rejects an engine that computes one op a little wrong, and names the op', async () => {
    const engine = faulty((results, _feeds, graph) =>
      graph.outputs.map((output, i) =>
        output.op.name === 'tanh' ? (results[i] as Float64Array).map((x) => x * (1 + 1e-6)) : results[i]!,
      ),
    )
    await expect(checkEngine(engine)).rejects.toThrow(/^faulty, random graph \d+, op "tanh" \[.*\]: element/)
  })

  it('rejects an engine that refuses an op, or lists what it refuses where that is allowed', async () => {
    const engine: Engine = {
      ...referenceEngine(),
      name: 'choosy',
      compile: (graph) => {
        if (topologicalOrder(graph.outputs).some(({ op }) => op.name === 'matmul')) {
          throw new BeyondgradError('unsupported', 'choosy has no op "matmul"')
        }
        return referenceEngine().compile(graph)
      },
    }
    await expect(checkEngine(engine)).rejects.toThrow(/^choosy, random graph \d+ .*has no op "matmul"/)
    const { ops, refusals } = await checkEngine(engine, { allowRefusals: true })
    expect(ops.has('matmul')).toBe(false)
    expect([...refusals.keys()]).toEqual(['choosy has no op "matmul"'])
    expect(refusals.get('choosy has no op "matmul"')).toBeGreaterThan(3)
  })

  it('rejects an engine that writes into what it is fed', async () => {
    const engine = faulty((results, feeds) => {
      if (feeds[0] instanceof Float64Array) feeds[0][0] = 9
      return results
    })
    await expect(checkEngine(engine)).rejects.toThrow('faulty: an input was written to')
  })

  it('rejects an engine that hands out what it is fed', async () => {
    const engine = faulty((results, feeds, graph) =>
      graph.outputs.map((output, i) => feeds[graph.inputs.indexOf(output)] ?? results[i]!),
    )
    await expect(checkEngine(engine)).rejects.toThrow('faulty: an input was written to')
  })

  it('rejects an engine whose runs get into each other’s way', async () => {
    let kept: readonly HostArray[] | undefined
    const engine = faulty((results, _feeds, graph) => {
      const compiled =
        graph.outputs.some(({ op }) => op.name === 'exp') && graph.inputs[0]!.shape.length === 2
      return compiled ? (kept ??= results) : results
    })
    await expect(checkEngine(engine)).rejects.toThrow('faulty, run 2 of a compiled function')
  })

  it('says which graph an engine failed on', async () => {
    const engine: Engine = {
      ...referenceEngine(),
      name: 'empty',
      compile: () => Promise.reject(new Error('not today')),
    }
    await expect(checkEngine(engine)).rejects.toThrow(
      'empty, an input that is an output (data [2, 2], sum []): Error: not today',
    )
  })

  it('takes each operation alone as often as it is told', async () => {
    const engine = referenceEngine()
    const { ops, graphs } = await checkEngine(engine, { graphs: 3, each: 4, operations: ['sin', 'cos'] })
    expect(graphs).toBe(11)
    // Those of sines alone, their gradients, and those of both.
    expect([...ops.keys()]).toEqual(expect.arrayContaining(['sin', 'cos', 'mul']))
    expect(ops.get('sin')).toBe(11)
  })
})

describe('engineTable', () => {
  it('has a row for each op and says what was refused', () => {
    const report = { engine: 'x', graphs: 5, ops: new Map([['add', 5]]), refusals: new Map<string, number>() }
    const choosy = {
      ...report,
      ops: new Map([['abs', 2]]),
      refusals: new Map([['no op "add"', 3]]),
    }
    const reports = new Map([
      ['quick', report],
      ['choosy', choosy],
    ])
    expect(engineTable(reports)).toBe(
      [
        '| op | quick | choosy |',
        '| --- | ---: | ---: |',
        '| _graphs_ | 5 | 5 |',
        '| `abs` | – | 2 |',
        '| `add` | 5 | – |',
        '',
        '- quick: nothing was refused.',
        '- choosy refused 3 graph(s): no op "add"',
      ].join('\n'),
    )
  })
})
