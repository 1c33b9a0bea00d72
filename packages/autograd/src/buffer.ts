/** @file Buffers: state of a module or an optimiser that is saved with it, but not trained. */
import {
  type AnyTensor,
  type Cell,
  cell,
  cellTensor,
  type DType,
  type NamedMap,
  namedMap,
  type NDArray,
} from '@beyondgrad/tensor'

/** A named tensor that runs may change, and training does not: running statistics, momenta, counts. */
export interface Buffer {
  readonly kind: 'buffer'
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: DType
  /** The buffer as an expression: what it is now. After an update, expressions built from it are stale. */
  readonly value: AnyTensor
  /** Where the numbers are. */
  readonly cell: Cell
  /** The cell: two views of the same numbers are the same key. */
  readonly identity: object
  /** The same numbers under another name. */
  as(change: { readonly name: string }): Buffer
}

/** Buffers by their names. */
export type BufferMap = NamedMap<Buffer, Buffer>

class NamedBuffer implements Buffer {
  readonly kind = 'buffer'
  readonly name: string
  readonly cell: Cell

  constructor(name: string, of: Cell) {
    this.name = name
    this.cell = of
  }
  get identity(): object {
    return this.cell
  }
  get shape(): readonly number[] {
    return this.cell.shape
  }
  get dtype(): DType {
    return this.cell.dtype
  }
  get value(): AnyTensor {
    return cellTensor(this.cell)
  }
  as(change: { readonly name: string }): Buffer {
    return new NamedBuffer(change.name, this.cell)
  }
}

/** A buffer that starts with `initial`, which is taken over. */
export function buffer(name: string, initial: NDArray<DType>): Buffer {
  return new NamedBuffer(name, cell(name, initial, { trainable: false }))
}

/** Buffers by their names, which must differ. */
export function bufferMap(buffers: Iterable<Buffer>): BufferMap {
  return namedMap([...buffers].map((b) => [b, b] as const))
}
