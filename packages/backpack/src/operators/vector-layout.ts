/** @file How named arrays, such as a gradient by parameter, lie one after the other in one flat vector. */
import {
  BeyondgradError,
  formatShape,
  type NamedMap,
  namedMap,
  type NDArray,
  type Shape,
  ShapeError,
  sizeOf,
} from '@beyondgrad/tensor'

/** A name and a shape: a parameter, or something of one's own. */
export interface Part {
  readonly name: string
  readonly shape: Shape
  /** Two parts with the same identity are the same, whatever they are called. */
  readonly identity?: object
}

/** A part, and where its numbers are: row-major from entry `from` on. */
export interface PlacedPart {
  readonly part: Part
  readonly from: number
  readonly size: number
}

/** What `flatten` takes for each part: an array with or without its shape. */
export type PartValues = ArrayLike<number> | { readonly shape?: Shape; readonly data: ArrayLike<number> }

/** The order of a flat vector's entries. */
export interface VectorLayout {
  /** Entries in all. */
  readonly size: number
  readonly parts: readonly PlacedPart[]
  /** One array for each part, by name or parameter, as one flat vector, copied. Throws `shape`, and `missing-key` for one that is not there. */
  flatten(named: NamedMap<Part, PartValues> | { readonly [name: string]: PartValues }): Float64Array
  /** The parts of a flat vector of `size` numbers, copied; in double precision, as the reference engine has them. Throws `shape`. */
  unflatten(flat: ArrayLike<number>): NamedMap<Part, NDArray>
}

/** Parts one after the other. Throws `value` if two have one name. */
export function vectorLayout(parts: Iterable<Part>): VectorLayout {
  let size = 0
  const placed = [...parts].map((part): PlacedPart => {
    const from = size
    size += sizeOf(part.shape)
    return { part, from, size: size - from }
  })
  // Fails for names that occur twice.
  const byName = namedMap(placed.map((each) => [each.part, each] as const))
  const valuesIn = (
    named: NamedMap<Part, PartValues> | { readonly [name: string]: PartValues },
    part: Part,
  ): PartValues => {
    if (isMap(named)) return named.get(part)
    const values = Object.hasOwn(named, part.name) ? named[part.name] : undefined
    if (values !== undefined) return values
    throw new BeyondgradError(
      'missing-key',
      `flatten: there is no "${part.name}" here; there are: ${Object.keys(named).join(', ')}`,
    )
  }
  return {
    size,
    parts: placed,
    flatten: (named) => {
      const flat = new Float64Array(size)
      for (const { part, from, size: own } of placed) {
        const values = valuesIn(named, part)
        const data = 'data' in values ? values.data : values
        if (data.length !== own) {
          throw new ShapeError(
            'flatten',
            `"${part.name}" has shape ${formatShape(part.shape)}, the array ${data.length} elements`,
          )
        }
        flat.set(data, from)
      }
      return flat
    },
    unflatten: (flat) => {
      if (flat.length !== size) {
        throw new ShapeError(
          'unflatten',
          `the vector has ${flat.length} entries, and ${[...byName.names].join(', ')} have ${size}`,
        )
      }
      const all = Float64Array.from(flat)
      return byName.map(({ part, from, size: own }) => inDouble(part.shape, all.slice(from, from + own)))
    },
  }
}

const isMap = (named: object): named is NamedMap<Part, PartValues> => '~map' in named

/** `float32` means the engine's float: the reference engine keeps doubles, others round them. */
export function inDouble(shape: Shape, data: Float64Array): NDArray {
  return { shape, dtype: 'float32', data: data as ArrayLike<number> as Float32Array }
}

/** The positions in a layout of the entries of the named parts, in their order. Throws `missing-key`. */
export function entriesOf(
  layout: VectorLayout,
  wanted: Iterable<string | Part>,
): { readonly layout: VectorLayout; readonly entries: Int32Array } {
  const byName = namedMap(layout.parts.map((each) => [each.part, each] as const))
  const chosen = [...wanted].map((key) => byName.get(key))
  const restricted = vectorLayout(chosen.map(({ part }) => part))
  const entries = new Int32Array(restricted.size)
  let at = 0
  for (const { from, size } of chosen) for (let i = 0; i < size; i++) entries[at++] = from + i
  return { layout: restricted, entries }
}
