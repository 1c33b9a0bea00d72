/** @file The window that convolutions and pools describe by their attributes. */
import type { WindowOptions } from '@beyondgrad/tensor'
import type { OperatorCall } from '../operator.ts'

/** Kernel, steps and padding, one entry a spatial axis. */
export interface SpatialWindow {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly before: readonly number[]
  readonly after: readonly number[]
}

/** One number for every spatial axis, from an attribute. */
export function perAxis(call: OperatorCall, name: string, rank: number, usual: number): number[] {
  const list = call.attributes.ints(name)
  if (list !== undefined && list.length !== rank) {
    call.fail(`attribute ${name} has ${list.length} entries for ${rank} spatial axes`)
  }
  return list ?? Array<number>(rank).fill(usual)
}

/** The window over some spatial axes; `auto_pad` says how much padding makes as many windows as steps. */
export function windowAttributes(
  call: OperatorCall,
  kernel: readonly number[],
  spatial: readonly number[],
): SpatialWindow {
  const rank = kernel.length
  const stride = perAxis(call, 'strides', rank, 1)
  const dilation = perAxis(call, 'dilations', rank, 1)
  const mode = call.attributes.string('auto_pad', 'NOTSET')
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const totals = spatial.map((size, i) => {
      const reach = dilation[i]! * (kernel[i]! - 1) + 1
      return Math.max(0, (Math.ceil(size / stride[i]!) - 1) * stride[i]! + reach - size)
    })
    const small = totals.map((total) => Math.floor(total / 2))
    const large = totals.map((total, i) => total - small[i]!)
    const [before, after] = mode === 'SAME_UPPER' ? [small, large] : [large, small]
    return { kernel, stride, dilation, before, after }
  }
  if (mode !== 'NOTSET' && mode !== 'VALID') call.fail(`there is no auto_pad "${mode}"`)
  const pads = mode === 'VALID' ? Array<number>(2 * rank).fill(0) : pairs(call, rank)
  return { kernel, stride, dilation, before: pads.slice(0, rank), after: pads.slice(rank) }
}

/** Padding before every axis, then after every axis. */
function pairs(call: OperatorCall, rank: number): number[] {
  const pads = call.attributes.ints('pads') ?? Array<number>(2 * rank).fill(0)
  if (pads.length !== 2 * rank)
    call.fail(`attribute pads has ${pads.length} entries for ${rank} spatial axes`)
  return pads
}

/** The window as ops take it. */
export function optionsOf({ stride, dilation, before, after }: SpatialWindow): Required<WindowOptions> {
  return { stride, dilation, padding: before.map((n, i) => [n, after[i]!] as const) }
}
