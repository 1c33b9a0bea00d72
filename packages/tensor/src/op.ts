/**
 * @file What an operation is.
 *
 * A primitive states its name, its shape rule and its reference kernel – nothing else; derivative rules live in
 * `@beyondgrad/autograd`, lowering in the engines, both looked up by name. A composite is a node with several
 * answers: alternative expansions over primitives, of which one is chosen when the whole request is known, or a
 * fused kernel that an engine offers under the composite's name.
 */
import type { DType, HostArray } from './dtype.ts'
import type { AnyTensor } from './node.ts'
import type { Shape } from './shape.ts'

/** Numbers, strings and arrays are compared by content, other objects by identity. */
export type AttributeValue =
  number | string | boolean | null | readonly number[] | HostArray | object | undefined
/** What a node knows besides its inputs. */
export type Attributes = Readonly<Record<string, AttributeValue>>

/** Shape and dtype of a result. */
export interface Signature {
  readonly shape: Shape
  readonly dtype: DType
}

/** A value inside the reference engine. */
export interface Dense {
  readonly shape: Shape
  readonly dtype: DType
  readonly data: HostArray
}

/** Computes one op in double precision; `output` is the signature that the shape rule inferred. */
export type ReferenceKernel = (
  inputs: readonly Dense[],
  attributes: Attributes,
  output: Signature,
) => HostArray

/** How an op moves data, for generic code that treats all ops of a family alike. */
export type OpFamily =
  | 'leaf'
  | 'elementwise'
  | 'reduce'
  | 'scan'
  | 'movement'
  | 'contract'
  | 'window'
  | 'gather'
  | 'sort'
  | 'composite'
  | 'guard'

/** A primitive, a leaf or a composite, known to rules and engines by its name. */
export interface Op {
  readonly name: string
  readonly family: OpFamily
  /** The shape rule: throws `ShapeError` naming op, shapes and axis. Leaves have none. */
  readonly infer?: (inputs: readonly AnyTensor[], attributes: Attributes) => Signature
  /** The reference kernel; a composite may have one to be quicker than its expansion. */
  readonly kernel?: ReferenceKernel
  /** Composites only. The first alternative is the plainest one. */
  readonly alternatives?: readonly Alternative[]
  /** Composites only: which alternative, given everything else that was asked for. Default: the first. */
  readonly choose?: (node: AnyTensor, request: Request) => Alternative
}

/** One way to compute a composite. */
export interface Alternative {
  readonly name: string
  readonly expand: (inputs: readonly AnyTensor[], attributes: Attributes) => AnyTensor
}

/** The whole graph that was asked for, as a composite sees it when it chooses. */
export interface Request {
  /** Composite nodes of this graph that have `input` as their first input. */
  siblings(input: AnyTensor): readonly AnyTensor[]
}
