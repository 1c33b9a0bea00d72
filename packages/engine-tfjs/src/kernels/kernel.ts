/** @file What a kernel is: a node, once its shapes are known, as calls of TensorFlow.js. */
import type { AnyTensor } from '@beyondgrad/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tf } from '../backend.ts'

/** Runs inside `tidy`: what it makes besides its result is freed. */
export type Kernel = (tf: Tf, operands: readonly Tensor[]) => Tensor

/** Decides on shapes and attributes once, when a graph is compiled. */
export type Rule = (node: AnyTensor) => Kernel
