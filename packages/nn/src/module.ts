/** @file Modules: functions of tensors that carry their parameters. */
import { type Module, type Parameter, type ParameterMap, parameterMap } from '@beyondgrad/autograd'
import { BeyondgradError, namedMap, type Tensor } from '@beyondgrad/tensor'

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

/** The parameters of several named modules under qualified names; a shared one keeps its first name. */
export function qualified(
  children: Iterable<readonly [string, { readonly parameters: ParameterMap<Parameter> }]>,
): ParameterMap<Parameter> {
  const seen = new Map<object, Parameter>()
  for (const [prefix, child] of children) {
    for (const [, parameter] of child.parameters) {
      if (seen.has(parameter.identity)) continue
      const name = `${prefix}.${parameter.name}`
      parameter.cell.name = name
      seen.set(parameter.identity, parameter.as({ name }))
    }
  }
  return namedMap([...seen.values()].map((parameter) => [parameter, parameter] as const))
}

/**
 * Layers one after the other. Parameters are named after the layer's position, "0.weight", or after the keys if the
 * layers come as an object. A layer that is put into several containers goes by the name that the latest gave it, unless
 * `backward` is told the parameters of one of them.
 */
export function Sequential(...layers: readonly Module[]): Module
export function Sequential(layers: Readonly<Record<string, Module>>): Module
export function Sequential(...layers: readonly (Module | Readonly<Record<string, Module>>)[]): Module {
  const [first] = layers
  const named: readonly (readonly [string, Module])[] =
    layers.length === 1 && typeof first === 'object'
      ? Object.entries(first)
      : layers.map((layer, i) => [String(i), layer as Module])
  // A factory that was not called is a function, too, but has no parameters.
  const wrong = named.find(([, layer]) => typeof layer !== 'function' || !('parameters' in layer))
  if (wrong !== undefined) {
    throw new BeyondgradError(
      'value',
      `Sequential: layer ${wrong[0]} is not a module; call its factory, as in ReLU()`,
    )
  }
  const forward = (x: Tensor): Tensor => named.reduce((h, [, layer]) => layer(h), x)
  return Object.assign(forward, { parameters: qualified(named) })
}
