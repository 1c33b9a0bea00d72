/** @file Modules of one's own: named parts, and a function of them. */
import { type Buffer, bufferMap, type Module, type Parameter, parameterMap } from '@beyondgrad/autograd'
import { type AnyTensor, BeyondgradError, type Tensor } from '@beyondgrad/tensor'
import { type AnyModule, buffersOf, isModule, underNames } from './module.ts'
import type { TrainingPass } from './training-pass.ts'

/** What a module is made of: modules, parameters and buffers, in lists and objects of any depth. */
export type Part = AnyModule | Parameter | Buffer | readonly Part[] | { readonly [name: string]: Part }

/** Parts by their names, which come in front of the names inside: `layers.0.weight`. */
export interface Parts {
  readonly [name: string]: Part
}

/** A buffer within a pass. */
export interface BoundBuffer {
  readonly value: AnyTensor
  /** Gives the buffer its next value; does nothing in evaluation. */
  update(next: AnyTensor): void
}

/** A part as the module's function gets it: modules in the mode of the pass, parameters as tensors. */
export type Bound<P> = P extends Parameter
  ? Tensor
  : P extends Buffer
    ? BoundBuffer
    : P extends Module<infer I, infer O>
      ? (...inputs: I) => O
      : { readonly [K in keyof P]: Bound<P[K]> }

/**
 * A module of one's own. Names, buffers and the difference between training and evaluation follow from its parts.
 *
 * ```ts
 * const block = defineModule({ norm: LayerNorm(8), linear: Linear(8, 8) }, ({ norm, linear }, x: Tensor) =>
 *   x.add(linear(norm(x))),
 * )
 * ```
 *
 * @param forward gets the parts as they are in the pass: use these, not what was given to `defineModule`
 */
export function defineModule<const P extends Parts, I extends readonly unknown[], O>(
  parts: P,
  forward: (parts: Bound<P>, ...inputs: I) => O,
): Module<I, O> {
  const leaves = [...leavesOf(parts, '')]
  const parameters = leaves.flatMap(([name, leaf]): (readonly [string, Parameter])[] => {
    if (isModule(leaf)) return [...leaf.parameters].map(([, p]) => [`${name}.${p.name}`, p])
    return 'trainable' in leaf ? [[name, leaf]] : []
  })
  const buffers = leaves.flatMap(([name, leaf]): (readonly [string, Buffer])[] => {
    if (isModule(leaf)) return [...buffersOf(leaf)].map(([, b]) => [`${name}.${b.name}`, b])
    return 'kind' in leaf ? [[name, leaf]] : []
  })
  const run =
    (pass: TrainingPass | undefined) =>
    (...inputs: I): O =>
      forward(bind(parts, pass) as Bound<P>, ...inputs)
  return Object.assign(run(undefined), {
    parameters: parameterMap(underNames(parameters)),
    buffers: bufferMap(underNames(buffers)),
    inTraining: (pass: TrainingPass) => run(pass),
  })
}

type Leaf = AnyModule | Parameter | Buffer

const isLeaf = (part: Part): part is Leaf =>
  isModule(part) || (typeof part === 'object' && 'cell' in part && 'identity' in part)

function* leavesOf(part: Part, name: string): Generator<readonly [string, Leaf]> {
  if (!isModule(part) && (typeof part !== 'object' || (part as unknown) === null)) {
    throw new BeyondgradError(
      'value',
      `defineModule: part "${name}" is ${part === null ? 'null' : `a ${typeof part}`}, not a module, parameter or buffer; call its factory, as in ReLU()`,
    )
  }
  if (isLeaf(part)) {
    yield [name, part]
    return
  }
  for (const [key, inner] of Object.entries(part))
    yield* leavesOf(inner, name === '' ? key : `${name}.${key}`)
}

function bind(part: Part, pass: TrainingPass | undefined): unknown {
  if (isModule(part)) return pass === undefined ? part : pass.of(part)
  if (isLeaf(part)) {
    if ('trainable' in part) return part.value
    return {
      value: pass === undefined ? part.value : pass.read(part),
      update: (next: AnyTensor) => pass?.write(part, next),
    } satisfies BoundBuffer
  }
  if (Array.isArray(part)) return part.map((inner: Part) => bind(inner, pass))
  return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, bind(inner, pass)]))
}
