/**
 * @file Names of the tensors of a file, each of them once. Bodies of If, Loop and Scan may use a name that another body has, too;
 * the later one gets a number. Reading and writing a file go through its graphs in the same order, so that both find the same names.
 */
import type { GraphProto } from '@beyondgrad/onnx'

/** Names that are taken, over all graphs of a file. */
export class ConstantNames {
  private readonly taken = new Set<string>()

  /**
   * What the tensors of a graph are called: initializers, and outputs of Constant nodes. For every graph just once, outer ones first.
   *
   * @returns a function from names in the graph to names; others it leaves alone
   */
  claim(graph: GraphProto): (name: string) => string {
    const renamed = new Map<string, string>()
    for (const name of constantsOf(graph)) {
      if (name === '') continue
      let unique = name
      for (let number = 2; this.taken.has(unique); number++) unique = `${name}#${number}`
      this.taken.add(unique)
      if (unique !== name) renamed.set(name, unique)
    }
    return (name) => renamed.get(name) ?? name
  }
}

/** In a graph, a name that appears twice is an error, which is told elsewhere. */
function constantsOf(graph: GraphProto): Set<string> {
  return new Set([
    ...graph.initializer.map(({ name }) => name),
    ...graph.sparseInitializer.map(({ values }) => values?.name ?? ''),
    ...graph.node.flatMap(({ opType, output }) => (opType === 'Constant' ? output : [])),
  ])
}
