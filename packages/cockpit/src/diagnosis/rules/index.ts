/** @file The rules that a diagnosis asks unless it is given others. */
import type { Rule } from '../rule.ts'
import { diverged } from './diverged.ts'
import { stepsOvershoot } from './step-length.ts'

export const defaultRules: readonly Rule[] = [diverged, stepsOvershoot]
