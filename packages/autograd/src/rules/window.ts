/** @file Rules of convolutions, pools and unfolding. */
import {
  type AnyTensor,
  avgPoolVjp,
  avgPoolWith,
  convInput,
  convolutionAttribute,
  convWeight,
  convWith,
  fold,
  maxPoolJvp,
  maxPoolVjp,
  type Shape,
  type Tensor,
  unfold,
  windowAttribute,
} from '@beyondgrad/tensor'
import { convolutionLabels, sampleAxisLabels, selectionLabels, summingLabels } from './labels.ts'
import type { Rule } from './rule.ts'

const spatialOf = (x: AnyTensor): Shape => x.shape.slice(2)

/** ⟨g, conv(x, w)⟩ is linear in x, w and g: each of the three ops differentiates into the other two. */
const convolutionRules: Readonly<Record<string, Rule>> = {
  conv: {
    labels: convolutionLabels,
    curvature: 'bilinear',
    vjp: (node, g, wanted) => {
      const [x, w] = node.inputs as [Tensor, Tensor]
      const geometry = convolutionAttribute(node.attributes)
      return [
        wanted[0] ? convInput(g, w, geometry, spatialOf(x)) : undefined,
        wanted[1] ? convWeight(x, g, geometry) : undefined,
      ]
    },
  },
  convInput: {
    labels: convolutionLabels,
    curvature: 'bilinear',
    vjp: (node, x, wanted) => {
      const [g, w] = node.inputs as [Tensor, Tensor]
      const geometry = convolutionAttribute(node.attributes)
      return [
        wanted[0] ? convWith(x, w, geometry) : undefined,
        wanted[1] ? convWeight(x, g, geometry) : undefined,
      ]
    },
  },
  convWeight: {
    labels: summingLabels,
    curvature: 'bilinear',
    vjp: (node, w, wanted) => {
      const [x, g] = node.inputs as [Tensor, Tensor]
      const geometry = convolutionAttribute(node.attributes)
      return [
        wanted[0] ? convInput(g, w, geometry, spatialOf(x)) : undefined,
        wanted[1] ? convWith(x, w, geometry) : undefined,
      ]
    },
  },
}

export const windowRules: Readonly<Record<string, Rule>> = {
  ...convolutionRules,
  unfold: {
    labels: sampleAxisLabels,
    curvature: 'none',
    vjp: (node, g) => [fold(g, windowAttribute(node.attributes), spatialOf(node.inputs[0]!))],
  },
  fold: {
    labels: sampleAxisLabels,
    curvature: 'none',
    vjp: (node, g) => [unfold(g, windowAttribute(node.attributes))],
  },
  // Overlapping windows may select the same entry twice; a diagonal Hessian stays diagonal all the same.
  maxPool: {
    labels: sampleAxisLabels,
    curvature: 'none',
    selects: true,
    vjp: (node, g) => [maxPoolVjp(node.inputs[0] as Tensor, g, windowAttribute(node.attributes))],
  },
  maxPoolVjp: {
    labels: selectionLabels,
    curvature: 'none',
    vjp: (node, t) => [undefined, maxPoolJvp(node.inputs[0] as Tensor, t, windowAttribute(node.attributes))],
  },
  maxPoolJvp: {
    labels: selectionLabels,
    curvature: 'none',
    vjp: (node, g) => [undefined, maxPoolVjp(node.inputs[0] as Tensor, g, windowAttribute(node.attributes))],
  },
  avgPool: {
    labels: sampleAxisLabels,
    curvature: 'none',
    vjp: (node, g) => [avgPoolVjp(g, node.attributes, spatialOf(node.inputs[0]!))],
  },
  avgPoolVjp: {
    labels: sampleAxisLabels,
    curvature: 'none',
    vjp: (node, g) => [avgPoolWith(g, node.attributes)],
  },
}
