/** @file Rules of indexing and sorting. Positions carry no derivative; reading and adding are each other's transposes. */
import {
  type AnyTensor,
  flip,
  gatherAt,
  gatherElementsAt,
  scatterAddAt,
  scatterElementsAddAt,
  type Tensor,
} from '@beyondgrad/tensor'
import {
  flipLabels,
  gatherElementsLabels,
  gatherLabels,
  scatterAddLabels,
  scatterElementsAddLabels,
  topLabels,
} from './gather-labels.ts'
import type { Rule } from './rule.ts'

const axisOf = (node: AnyTensor): number => node.attributes.axis as number
const sizeAlong = (node: AnyTensor): number => node.inputs[0]!.shape[axisOf(node)]!
const positionsOf = (node: AnyTensor): Tensor<'int32'> => node.inputs[1] as Tensor<'int32'>

export const gatherRules: Readonly<Record<string, Rule>> = {
  // Each entry of the result is one of x, so that a diagonal stays one, also where an entry is taken twice.
  gather: {
    labels: gatherLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => [scatterAddAt(g, positionsOf(node), axisOf(node), sizeAlong(node)), undefined],
  },
  scatterAdd: {
    labels: scatterAddLabels,
    curvature: 'none',
    vjp: (node, g) => [gatherAt(g, positionsOf(node), axisOf(node)), undefined],
  },
  gatherElements: {
    labels: gatherElementsLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => [scatterElementsAddAt(g, positionsOf(node), axisOf(node), sizeAlong(node)), undefined],
  },
  scatterElementsAdd: {
    labels: scatterElementsAddLabels,
    curvature: 'none',
    vjp: (node, g) => [gatherElementsAt(g, positionsOf(node), axisOf(node)), undefined],
  },
  topIndices: { labels: topLabels, curvature: 'none', vjp: () => [undefined] },
  flip: {
    labels: flipLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => [flip(g, node.attributes.axes as readonly number[])],
  },
}
