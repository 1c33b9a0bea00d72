/** @file The rules that a diagnosis asks unless it is given others. */
import type { Rule } from '../rule.ts'
import { curvatureGrows, edgeOfStability } from './curvature.ts'
import { diverged } from './diverged.ts'
import { overfitting, timeToStop } from './generalization.ts'
import { badlyScaledInputs, gradientInOneBin } from './inputs.ts'
import { wrongLabels } from './labels.ts'
import { deadLayer, explodingGradients, vanishingGradients } from './layers.ts'
import { batchTooNoisy } from './noise.ts'
import { learningRateTooSmall, noMovement, plateau } from './standstill.ts'
import { stepsOvershoot, stepsTooShort } from './step-length.ts'

export const defaultRules: readonly Rule[] = [
  diverged,
  noMovement,
  stepsOvershoot,
  stepsTooShort,
  learningRateTooSmall,
  plateau,
  batchTooNoisy,
  vanishingGradients,
  explodingGradients,
  deadLayer,
  badlyScaledInputs,
  gradientInOneBin,
  wrongLabels,
  edgeOfStability,
  curvatureGrows,
  timeToStop,
  overfitting,
]
