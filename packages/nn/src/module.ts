/** @file Modules: functions of tensors that carry their parameters, their buffers and what they do in training. */
import {
  type Buffer,
  type BufferMap,
  bufferMap,
  type Module,
  type Parameter,
  type ParameterMap,
  parameterMap,
} from '@beyondgrad/autograd'
import { BeyondgradError, type Tensor } from '@beyondgrad/tensor'
import type { TrainingPass } from './training-pass.ts'

/** A module that has state, or computes in another way while it trains. */
export interface Layer<in I extends readonly unknown[] = [Tensor], out O = Tensor> extends Module<I, O> {
  readonly buffers: BufferMap
  /** What calling the module means in a training pass. */
  inTraining(pass: TrainingPass): (...inputs: I) => O
}

/** What a layer consists of. */
export interface LayerDefinition<I extends readonly unknown[], O> {
  /** What it computes in evaluation. */
  readonly forward: (...inputs: I) => O
  /** What it computes in a training pass. Default: the same. */
  readonly inTraining?: (pass: TrainingPass) => (...inputs: I) => O
  readonly parameters?: Iterable<Parameter>
  readonly buffers?: Iterable<Buffer>
}

/**
 * A module from its function and its parameters.
 *
 * @param parameters named as the layer knows them; a container puts its own name in front
 */
export function moduleOf<I extends readonly unknown[], O>(
  forward: (...inputs: I) => O,
  parameters: Iterable<Parameter> = [],
): Module<I, O> {
  return Object.assign((...inputs: I): O => forward(...inputs), { parameters: parameterMap(parameters) })
}

/** A module whose training differs from its evaluation, or that keeps buffers: what BatchNorm and Dropout are made with. */
export function layerOf<I extends readonly unknown[], O>(definition: LayerDefinition<I, O>): Layer<I, O> {
  const { forward, inTraining = () => forward, parameters = [], buffers = [] } = definition
  return Object.assign((...inputs: I): O => forward(...inputs), {
    parameters: parameterMap(parameters),
    buffers: bufferMap(buffers),
    inTraining,
  })
}

/** What a module brings beyond a function and parameters. */
export function layerParts<I extends readonly unknown[], O>(
  module: Module<I, O>,
): Partial<Pick<Layer<I, O>, 'buffers' | 'inTraining'>> {
  return module as Partial<Layer<I, O>>
}

/** The buffers of a module; none for one that has no state. */
export function buffersOf(module: { readonly parameters: ParameterMap<Parameter> }): BufferMap {
  return (module as Partial<Layer>).buffers ?? bufferMap([])
}

/** Any module, whatever it takes and gives. */
export type AnyModule = Module<never, unknown>

/** Whether something is a module: a factory that was not called is a function, too, but has no parameters. */
export function isModule(value: unknown): value is AnyModule {
  return typeof value === 'function' && 'parameters' in value
}

/** The parameters of several named modules under qualified names; a shared one keeps its first name. */
export function qualified(
  children: Iterable<readonly [string, { readonly parameters: ParameterMap<Parameter> }]>,
): ParameterMap<Parameter> {
  return parameterMap(
    underNames(
      [...children].flatMap(([prefix, child]) =>
        [...child.parameters].map(([, p]) => [`${prefix}.${p.name}`, p] as const),
      ),
    ),
  )
}

/** The buffers of several named modules under qualified names. */
function qualifiedBuffers(
  children: Iterable<readonly [string, { readonly parameters: ParameterMap<Parameter> }]>,
): BufferMap {
  return bufferMap(
    underNames(
      [...children].flatMap(([prefix, child]) =>
        [...buffersOf(child)].map(([, b]) => [`${prefix}.${b.name}`, b] as const),
      ),
    ),
  )
}

/** Parameters or buffers under the names of an outer module; one that comes twice keeps its first name. */
export function underNames<T extends Parameter | Buffer>(entries: Iterable<readonly [string, T]>): T[] {
  const seen = new Map<object, T>()
  for (const [name, of] of entries) {
    if (seen.has(of.identity)) continue
    of.cell.name = name
    seen.set(of.identity, of.as({ name }) as T)
  }
  return [...seen.values()]
}

/**
 * Layers one after the other. Parameters are named after the layer's position, "0.weight", or after the keys if the
 * layers come as an object. A layer that is put into several containers goes by the name that the latest gave it, unless
 * `backward` is told the parameters of one of them.
 */
export function Sequential(...layers: readonly Module[]): Module
export function Sequential<I extends readonly unknown[]>(
  first: Module<I>,
  ...layers: readonly Module[]
): Module<I>
export function Sequential(layers: Readonly<Record<string, Module>>): Module
export function Sequential(...layers: readonly (AnyModule | Readonly<Record<string, Module>>)[]): Module {
  const [first] = layers
  const named: readonly (readonly [string, Module])[] =
    layers.length === 1 && typeof first === 'object'
      ? Object.entries(first)
      : layers.map((layer, i) => [String(i), layer as Module])
  const wrong = named.find(([, layer]) => !isModule(layer))
  if (wrong !== undefined) {
    throw new BeyondgradError(
      'value',
      `Sequential: layer ${wrong[0]} is not a module; call its factory, as in ReLU()`,
    )
  }
  const chain =
    (each: (layer: Module) => (x: Tensor) => Tensor) =>
    (x: Tensor): Tensor =>
      named.reduce((h, [, layer]) => each(layer)(h), x)
  return Object.assign(
    chain((layer) => layer),
    {
      parameters: qualified(named),
      buffers: qualifiedBuffers(named),
      inTraining: (pass: TrainingPass) => chain((layer) => pass.of(layer)),
    },
  )
}

/** The module, changed in some respect; its numbers stay where they are. */
function viewOf<I extends readonly unknown[], O>(
  module: Module<I, O>,
  change: Partial<Pick<Layer<I, O>, 'parameters' | 'inTraining'>>,
): Module<I, O> {
  return Object.assign((...inputs: I): O => module(...inputs), {
    parameters: module.parameters,
    buffers: buffersOf(module),
    inTraining: (pass: TrainingPass) => pass.of(module),
    ...change,
  })
}

/**
 * A view of a module whose parameters (all, or those that `which` picks by name) are not trained by an optimiser, and have no
 * quantities in a `backward`, that is given the view's parameters or those of a model made with it.
 */
export function freeze<I extends readonly unknown[], O>(
  module: Module<I, O>,
  which: (name: string) => boolean = () => true,
): Module<I, O> {
  const parameters = [...module.parameters].map(([, p]) => (which(p.name) ? p.as({ trainable: false }) : p))
  return viewOf(module, { parameters: parameterMap(parameters) })
}

/** A view of a module that evaluates within a training pass too: batch normalisation with its running statistics, say. */
export function inEvaluation<I extends readonly unknown[], O>(module: Module<I, O>): Module<I, O> {
  return viewOf(module, {
    inTraining:
      () =>
      (...inputs) =>
        module(...inputs),
  })
}

/** The first of the results of a module that gives several, such as `LSTM`, as a module for `Sequential`. */
export function outputOf<I extends readonly unknown[], O>(
  module: Module<I, readonly [O, ...unknown[]]>,
): Module<I, O> {
  return Object.assign((...inputs: I): O => module(...inputs)[0], {
    parameters: module.parameters,
    buffers: buffersOf(module),
    inTraining:
      (pass: TrainingPass) =>
      (...inputs: I): O =>
        pass.of(module)(...inputs)[0],
  })
}
