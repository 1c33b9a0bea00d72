/** @file Parameters: named tensors that training changes. */
import {
  BeyondgradError,
  type Cell,
  cell,
  cellTensor,
  type DataOf,
  type NamedMap,
  namedMap,
  type NDArray,
  type Tensor,
} from '@beyondgrad/tensor'

/** A named, usually trainable tensor. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
  /** Whether `backward` and optimisers that are given this view of the parameter care for it. */
  readonly trainable: boolean
  /** The parameter as an expression: what it is now. After an update, expressions built from it are stale. */
  readonly value: Tensor
  /** Where the numbers are. */
  readonly cell: Cell
  /** The cell: two views of the same numbers are the same key in every result. */
  readonly identity: object
  /** The same parameter (the same numbers) under another name or trainability. */
  as(change: { readonly name?: string; readonly trainable?: boolean }): Parameter
  /** Replaces the numbers (taken over, not copied); expressions that were built from the old ones become stale. */
  set(data: DataOf<'float32'>): void
}

/** Results, or parameters, by parameter or name. */
export type ParameterMap<T> = NamedMap<Parameter, T>

class NamedParameter implements Parameter {
  readonly name: string
  readonly trainable: boolean
  readonly cell: Cell

  constructor(name: string, trainable: boolean, of: Cell) {
    this.name = name
    this.trainable = trainable
    this.cell = of
  }
  get identity(): object {
    return this.cell
  }
  get shape(): readonly number[] {
    return this.cell.shape
  }
  get value(): Tensor {
    return cellTensor(this.cell) as Tensor
  }
  as(change: { readonly name?: string; readonly trainable?: boolean }): Parameter {
    return new NamedParameter(change.name ?? this.name, change.trainable ?? this.trainable, this.cell)
  }
  set(data: DataOf<'float32'>): void {
    if (data.length !== this.cell.data.length) {
      throw new BeyondgradError(
        'shape',
        `parameter "${this.name}" has ${this.cell.data.length} elements, the new value ${data.length}`,
      )
    }
    this.cell.data = data
    this.cell.version++
  }
}

/** A parameter that starts with `initial`, which is taken over. */
export function parameter(
  name: string,
  initial: NDArray,
  options: { readonly trainable?: boolean } = {},
): Parameter {
  return parameterOf(cell(name, initial, options))
}

/** A cell as the parameter that its outermost model knows. */
export function parameterOf(of: Cell): Parameter {
  return new NamedParameter(of.name, of.trainable, of)
}

/** Parameters by their names, which must differ. */
export function parameterMap(parameters: Iterable<Parameter>): ParameterMap<Parameter> {
  return namedMap([...parameters].map((p) => [p, p] as const))
}
