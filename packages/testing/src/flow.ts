/**
 * @file Flows of one's own: that they deliver to every parameter and every extension, execute nothing, remember nothing, and that what
 * arrives obeys the laws that its author declares.
 */
import {
  backward,
  type BackwardOptions,
  defineExtension,
  type Degree,
  type Extension,
  type Flow,
  type Parameter,
  type ParameterMap,
} from '@beyondgrad/autograd'
import {
  type AnyTensor,
  currentEngine,
  type Engine,
  evaluate,
  type NDArray,
  setEngine,
  type Tensor,
  transpose,
} from '@beyondgrad/tensor'
import { bruteForce, type Problem } from './brute-force.ts'
import { demandClose, type Tolerance } from './close.ts'
import { batchOf, upTo } from './parts.ts'
import { reference } from './reference.ts'
import { alpha, demandDegree, isDrawn, merged } from './scaling.ts'

/** A number, or many, of what arrives at a parameter, and the laws that hold for them. */
export interface FlowView {
  readonly value: Tensor
  /** How it scales with the loss. Default: 1. */
  readonly degree?: Degree
  /** The axis that counts the samples. Default: it belongs to all of them together, whatever their order. */
  readonly samples?: number
  /** How parts of the batch combine, where there is no axis of samples. Default: not checked. */
  readonly merge?: 'sum' | 'mean'
}

export interface FlowCheck<T extends AnyTensor, A> extends Problem<T>, Tolerance {
  /** What to look at of what arrives, under names for the messages: the same ones at every parameter. */
  view(arrived: A, parameter: Parameter): Readonly<Record<string, FlowView>>
  /** Default: the reference engine. */
  readonly engine?: Engine | undefined
  readonly backward?: Omit<BackwardOptions, 'samples'> | undefined
}

/** What was looked at. */
export interface FlowReport {
  readonly parameters: number
  /** Names of the views. */
  readonly views: readonly string[]
  /** Whether numbers are drawn: then the order of the samples and parts of the batch are not compared. */
  readonly drawn: boolean
}

type Views = ParameterMap<Readonly<Record<string, FlowView>>>
type Values = ParameterMap<Readonly<Record<string, NDArray>>>

/**
 * Checks a flow, or the function that makes it from options, on one problem. The current engine is replaced for a moment, to see
 * whether the flow executes anything. Throws a sentence about the first thing that is wrong.
 */
export async function checkFlow<T extends AnyTensor, A>(
  flow: Flow<A> | (() => Flow<A>),
  check: FlowCheck<T, A>,
): Promise<FlowReport> {
  const { engine = reference, rtol = 1e-8, atol = 1e-10 } = check
  const tolerance = { rtol, atol }
  const one = typeof flow === 'function' ? sameFlow(flow) : flow
  const batch = await batchOf(check)
  const all = upTo(batch.samples)
  const ride = (loss: Tensor): Views => riding(one, check, loss)[0]

  const [first, second] = await lazily(one.name, () => riding(one, check, batch.lossOf(all)))
  const plain = await valuesOf(first, engine)
  const compare = async (what: string, views: Views): Promise<void> => {
    for (const [name, found, expected] of pairs(await valuesOf(views, engine), plain)) {
      demandClose(`flow "${one.name}", ${name} ${what}`, found.data, expected.data, expected.shape, tolerance)
    }
  }
  await compare('for the second extension that rides on it, against the first', second)

  const scaled = await valuesOf(ride(batch.lossOf(all).mul(alpha)), engine)
  for (const [name, after, before, { degree = 1 }] of pairs(scaled, plain, first)) {
    if (degree !== 'none') demandDegree(`flow "${one.name}", ${name}`, before, after, degree, tolerance)
  }
  // After another loss has gone through, nothing of it may be left.
  await compare('of an equal loss, after another one, against the first time', ride(batch.lossOf(all)))

  const drawn = isDrawn([...first].flatMap(([, views]) => Object.values(views).map(({ value }) => value)))
  if (!drawn && batch.samples > 1) {
    const order = [...all.slice(1).reverse(), 0]
    const moved = await valuesOf(ride(batch.lossOf(order)), engine)
    for (const [name, found, expected, { samples }] of pairs(moved, plain, first)) {
      const what = `flow "${one.name}", ${name} for samples in another order`
      const data = samples === undefined ? expected.data : inOrder(what, expected, order)
      demandClose(what, found.data, data, expected.shape, tolerance)
    }
    const isMean = (await bruteForce(check)).scale !== 1
    const middle = Math.floor(batch.samples / 3) || 1
    const parts = await Promise.all(
      [all.slice(0, middle), all.slice(middle)].map(async (samples) => {
        const share = isMean ? samples.length / batch.samples : 1
        return { n: samples.length, values: await valuesOf(ride(batch.lossOf(samples).mul(share)), engine) }
      }),
    )
    for (const [name, expected, , { samples, merge }, parameter, key] of pairs(plain, plain, first)) {
      const how = samples === undefined ? merge : 'concat'
      if (how === undefined) continue
      const what = `flow "${one.name}", ${name} from two parts of the batch by ${how}, against the whole`
      const found = merged(
        what,
        how,
        parts.map(({ n, values }) => ({ n, result: values.get(parameter)[key]! })),
      )
      demandClose(what, found, expected.data, expected.shape, tolerance)
    }
  }
  const views = [...first][0]?.[1] ?? {}
  return { parameters: first.size, views: Object.keys(views), drawn }
}

function sameFlow<A>(make: () => Flow<A>): Flow<A> {
  const flow = make()
  if (flow === make()) return flow
  throw new Error(
    `flow "${flow.name}": every call makes another flow, so that extensions with the same options run it once each; keep flows by their options`,
  )
}

/** The views of two extensions that ride on a flow together. */
function riding<T extends AnyTensor, A>(
  flow: Flow<A>,
  check: FlowCheck<T, A>,
  loss: Tensor,
): readonly [Views, Views] {
  let runs = 0
  const counted: Flow<A> = {
    name: flow.name,
    run: (analysis, flowOptions, what) => {
      runs++
      const arrive: unknown = flow.run(analysis, flowOptions, what)
      if (typeof arrive === 'function') return arrive as (parameter: Parameter) => A
      throw new Error(
        `flow "${flow.name}": run returned ${arrive instanceof Promise ? 'a promise' : typeof arrive}, not a function of parameters`,
      )
    },
  }
  const rider = (name: string): Extension<Views> =>
    defineExtension({
      name,
      flow: counted,
      parameter: ({ contribution, parameter }) => {
        if (contribution === undefined || contribution === null) {
          throw new Error(`flow "${flow.name}": delivers nothing at parameter "${parameter.name}"`)
        }
        return samplesFirst(check.view(contribution, parameter))
      },
    })
  const { a, b } = backward(loss, { a: rider('check-flow a'), b: rider('check-flow b') }, check.backward)
  if (runs !== 1) throw new Error(`flow "${flow.name}": was run ${runs} times for two extensions`)
  return [a, b]
}

function samplesFirst(views: Readonly<Record<string, FlowView>>): Readonly<Record<string, FlowView>> {
  const moved = Object.entries(views).map(([name, view]) => {
    const { value, samples = 0 } = view
    if (samples === 0) return [name, view] as const
    const others = [...value.shape.keys()].filter((axis) => axis !== samples)
    return [name, { ...view, value: transpose(value, [samples, ...others]) }] as const
  })
  return Object.fromEntries(moved)
}

/** What `build` returns; throws if it has anything executed. */
async function lazily<R>(name: string, build: () => R): Promise<R> {
  const before = currentEngine()
  let executed = 0
  setEngine({ ...before, compile: (graph) => (executed++, before.compile(graph)) })
  try {
    const result = build()
    await new Promise((resolve) => setTimeout(resolve, 0))
    if (executed === 0) return result
  } finally {
    setEngine(before)
  }
  throw new Error(
    `flow "${name}": executes something while it is run; build expressions only, whoever asked evaluates them`,
  )
}

async function valuesOf(views: Views, engine: Engine): Promise<Values> {
  const tensors = views.map((each) =>
    Object.fromEntries(Object.entries(each).map(([name, { value }]) => [name, value])),
  )
  return (await evaluate({ tensors }, { engine })).tensors
}

type Pair = readonly [name: string, a: NDArray, b: NDArray, view: FlowView, parameter: Parameter, key: string]

/** What has the same name at the same parameter. */
function pairs(a: Values, b: Values, views?: Views): readonly Pair[] {
  return [...b].flatMap(([parameter, values]) =>
    Object.entries(values).map(([key, value]): Pair => {
      const view = views?.get(parameter)[key]
      const other = a.get(parameter)[key]
      if (other === undefined)
        throw new Error(`view "${key}" of "${parameter.name}" is missing the second time`)
      return [`${key} of "${parameter.name}"`, other, value, view as FlowView, parameter, key]
    }),
  )
}

function inOrder(what: string, { data, shape }: NDArray, order: readonly number[]): Float64Array {
  if (shape[0] !== order.length) {
    throw new Error(
      `${what}: its axis of samples has ${shape[0] ?? 'no'} entries for ${order.length} samples`,
    )
  }
  const stride = data.length / order.length
  return Float64Array.from(order.flatMap((n) => [...data.slice(n * stride, (n + 1) * stride)]))
}
