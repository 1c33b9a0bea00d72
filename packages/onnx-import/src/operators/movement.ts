/** @file What moves elements without looking at them. */
import {
  type AnyTensor,
  broadcastShapes,
  concat,
  expand,
  flip,
  formatShape,
  padWith,
  type PadMode,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  tile,
  transpose,
  tril,
  triu,
  unsqueeze,
} from '@beyondgrad/tensor'
import type { OperatorCall, OperatorTable } from '../operator.ts'
import { operator } from '../operator.ts'

/** An axis counted from the front; one behind the last is allowed where something begins there. */
function axisOf(call: OperatorCall, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis
  return at < 0 || at > rank ? call.fail(`there is no axis ${axis}`) : at
}

/** The shape that a target means: 0 is the size of the same axis (unless `allowzero`), -1 what is left over. */
export function targetShape(
  call: OperatorCall,
  target: readonly number[],
  shape: readonly number[],
): number[] {
  const zero = call.attributes.flag('allowzero')
  const sizes = target.map((size, axis) =>
    size === 0 && !zero
      ? (shape[axis] ?? call.fail(`target [${target.join(', ')}] keeps axis ${axis}, which is not there`))
      : size,
  )
  const free = sizes.indexOf(-1)
  if (free < 0) return sizes
  const rest = sizeOf(sizes.filter((_, axis) => axis !== free))
  return sizes.with(free, rest === 0 ? 0 : sizeOf(shape) / rest)
}

function reshaped(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const target = call.list('shape', 1) ?? call.fail('the target shape is missing')
  const shape = targetShape(call, target, x.shape)
  if (sizeOf(shape) !== sizeOf(x.shape) || !shape.every(Number.isInteger)) {
    call.fail(
      `${formatShape(x.shape)} can't become [${target.join(', ')}]: the target is a constant of the file; if it holds the batch size of the export, use that size, or export with a free batch axis`,
    )
  }
  return reshape(x, shape)
}

function flattened(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const axis = axisOf(call, call.attributes.int('axis', 1), x.shape.length)
  return reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))])
}

function squeezed(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const axes = call.list('axes', 1)?.map((axis) => axisOf(call, axis, x.shape.length))
  const wide = axes?.find((axis) => x.shape[axis] !== 1)
  if (wide !== undefined) call.fail(`axis ${wide} is not of size 1`)
  return reshape(
    x,
    x.shape.filter((size, axis) => (axes === undefined ? size !== 1 : !axes.includes(axis))),
  )
}

function expanded(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const target = call.integers(1) ?? call.fail('the target shape is missing')
  return expand(x, broadcastShapes('Expand', x.shape, target))
}

/** Since opset 10 starts, ends, axes and steps are inputs. Ends beyond the axis mean its end. */
function sliced(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const rank = x.shape.length
  const starts = call.list('starts', 1) ?? call.fail('starts are missing')
  const ends = call.list('ends', 2) ?? call.fail('ends are missing')
  const axes = call.list('axes', 3) ?? starts.map((_, i) => i)
  const steps = call.integers(4) ?? starts.map(() => 1)
  return starts.reduce((y: AnyTensor, start, i) => {
    const axis = axisOf(call, axes[i] ?? NaN, rank)
    const size = y.shape[axis] ?? call.fail(`there is no axis ${axes[i]}`)
    const [step, end] = [steps[i]!, ends[i] ?? NaN]
    if (step === 0) call.fail('a step of 0 leads nowhere')
    const clamp = (n: number, least: number, most: number): number =>
      Math.min(Math.max(n < 0 ? n + size : n, least), most)
    if (step > 0)
      return slice(y, axis, clamp(start, 0, size), Math.max(clamp(start, 0, size), clamp(end, 0, size)), step)
    // Backwards: the same positions of the axis turned around.
    const first = size - 1 - clamp(start, -1, size - 1)
    const last = size - 1 - clamp(end, -1, size - 1)
    return slice(flip(y, [axis]), axis, first, Math.max(first, last), -step)
  }, x)
}

/** Sizes are given, or the axis falls into equal parts, of which the last may be smaller. */
function parts(call: OperatorCall): AnyTensor[] {
  const x = call.any(0)
  const axis = axisOf(call, call.attributes.int('axis', 0), x.shape.length)
  const size = x.shape[axis] ?? call.fail(`there is no axis ${axis}`)
  const count = call.attributes.int('num_outputs', call.node.outputs.length)
  const each = Math.ceil(size / count)
  const sizes =
    call.list('split', 1) ??
    Array.from({ length: count }, (_, i) => Math.max(0, Math.min(each, size - i * each)))
  if (sizes.reduce((sum, part) => sum + part, 0) !== size) {
    call.fail(`parts of sizes [${sizes.join(', ')}] do not make up axis ${axis}`)
  }
  let start = 0
  return sizes.map((part) => {
    start += part
    return slice(x, axis, start - part, start)
  })
}

const modes: Readonly<Record<string, PadMode | undefined>> = {
  constant: 'constant',
  edge: 'edge',
  reflect: 'reflect',
  wrap: 'circular',
}

/** Amounts and value are attributes, then inputs; negative amounts cut off. */
function padded(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const rank = x.shape.length
  const name = call.attributes.string('mode', 'constant')
  const mode = modes[name] ?? call.fail(`there is no mode "${name}"`)
  // Opset 1 calls them paddings.
  const amounts = call.attributes.ints('paddings') ?? call.list('pads', 1) ?? call.fail('pads are missing')
  const axes = (call.integers(3) ?? x.shape.map((_, axis) => axis)).map((axis) => axisOf(call, axis, rank))
  if (amounts.length !== 2 * axes.length)
    call.fail(`pads has ${amounts.length} entries for ${axes.length} axes`)
  const [before, after] = [x.shape.map(() => 0), x.shape.map(() => 0)]
  axes.forEach((axis, i) => {
    before[axis] = amounts[i]!
    after[axis] = amounts[i + axes.length]!
  })
  const value = call.attributes.has('value') ? call.attributes.float('value') : call.scalar(2, 0)
  return padWith(x, before, after, mode, value)
}

/** Blocks of channels to blocks of pixels; "CRD" puts the channels in front of the blocks. */
function depthToSpace(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const block = call.attributes.int('blocksize')
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const deep = c / (block * block)
  if (x.shape.length !== 4 || !Number.isInteger(deep)) call.fail(`needs [N, C × ${block * block}, H, W]`)
  const crd = call.attributes.string('mode', 'DCR') === 'CRD'
  const split = crd ? [n, deep, block, block, h, w] : [n, block, block, deep, h, w]
  const moved = transpose(reshape(x, split), crd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2])
  return reshape(moved, [n, deep, h * block, w * block])
}

function spaceToDepth(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const block = call.attributes.int('blocksize')
  const [n, c, h, w] = x.shape as [number, number, number, number]
  if (x.shape.length !== 4 || h % block !== 0 || w % block !== 0)
    call.fail(`needs [N, C, H × ${block}, W × ${block}]`)
  const split = reshape(x, [n, c, h / block, block, w / block, block])
  return reshape(transpose(split, [0, 3, 5, 1, 2, 4]), [n, c * block * block, h / block, w / block])
}

/** Cuts or pads around the middle, to given sizes. */
function centred(call: OperatorCall): AnyTensor {
  const x = call.any(0)
  const rank = x.shape.length
  const axes =
    call.attributes.ints('axes')?.map((axis) => axisOf(call, axis, rank)) ?? x.shape.map((_, axis) => axis)
  const sizes = call.integers(1)!
  const [before, after] = [x.shape.map(() => 0), x.shape.map(() => 0)]
  axes.forEach((axis, i) => {
    const more = sizes[i]! - x.shape[axis]!
    // What is odd is at the end where elements come, and where they go.
    before[axis] = more >= 0 ? Math.floor(more / 2) : -Math.floor(-more / 2)
    after[axis] = more - before[axis]
  })
  return padWith(x, before, after, 'constant', 0)
}

export const movements: OperatorTable = {
  CenterCropPad: operator(centred, { known: [1] }),
  Concat: operator((call) => {
    const list = call.all() as Tensor[]
    return concat(list, axisOf(call, call.attributes.int('axis', 1), list[0]?.shape.length ?? 0))
  }),
  DepthToSpace: operator(depthToSpace),
  Expand: operator(expanded, { known: [1] }),
  Flatten: operator(flattened),
  Identity: operator((call) => call.any(0)),
  Pad: operator(padded, { known: [1, 2, 3] }),
  Reshape: operator(reshaped, { known: [1] }),
  Slice: operator(sliced, { known: [1, 2, 3, 4] }),
  SpaceToDepth: operator(spaceToDepth),
  Split: operator(parts, { known: [1] }),
  Squeeze: operator(squeezed, { known: [1] }),
  Tile: operator(
    (call) => {
      const x = call.any(0)
      const repeats = call.integers(1) ?? call.fail('repeats are missing')
      // Opset 1 has one count and an axis.
      if (call.opset < 6 && call.has(2))
        return tile(
          x,
          x.shape.map((_, axis) => (axis === call.scalar(2) ? repeats[0]! : 1)),
        )
      return tile(x, repeats)
    },
    { known: [1, 2] },
  ),
  Transpose: operator((call) => transpose(call.any(0), call.attributes.ints('perm'))),
  Trilu: operator(
    (call) => {
      const x = call.any(0)
      const k = call.scalar(1, 0)
      return call.attributes.flag('upper', true) ? triu(x, k) : tril(x, k)
    },
    { known: [1] },
  ),
  Unsqueeze: operator(
    (call) => {
      const x = call.any(0)
      const axes = call.list('axes', 1) ?? call.fail('axes are missing')
      const rank = x.shape.length + axes.length
      return unsqueeze(
        x,
        axes.map((axis) => (axis < 0 ? axis + rank : axis)),
      )
    },
    { known: [1] },
  ),
}
