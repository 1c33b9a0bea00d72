/**
 * @file Plugins: what a package offers to those who don't import it by name – the command line, `explain`, Cockpit. Nothing
 * is found by scanning: whoever wants a plugin names its package or file.
 */
import { type AnyTensor, type Attributes, BeyondgradError, protocol, type Tensor } from '@beyondgrad/tensor'
import type { Extension } from './extension.ts'
import type { Reduction } from './loss.ts'

/** A loss as the command line calls it. */
export type NamedLoss = (
  output: Tensor,
  target: AnyTensor,
  options?: { readonly reduction?: Reduction },
) => Tensor

/**
 * What a plugin may bring, each by the name that it is called by. Packages above this one add members by declaration
 * merging: ONNX operators for import, instruments for Cockpit.
 */
export interface PluginParts {
  /** Extensions with their default options, by names as `'batch-cosine'`. */
  readonly quantities?: Readonly<Record<string, () => Extension<unknown>>>
  /** Ops made by `defineOp`. */
  readonly ops?: Readonly<Record<string, (inputs: readonly AnyTensor[], attributes?: Attributes) => Tensor>>
  readonly losses?: Readonly<Record<string, NamedLoss>>
}

/** What a package or file that is a plugin exports as `default` or `plugin`. */
export interface Plugin extends PluginParts {
  readonly protocol: 1
  /** The package's name. */
  readonly name: string
}

const kebab = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/

/**
 * Checks a plugin and hands it on.
 *
 * Throws `protocol` for another protocol number, `value` for a name that a command line can't take.
 */
export function definePlugin<const P extends Plugin>(plugin: P): P {
  checkPlugin(plugin)
  return plugin
}

/** Throws unless a value – of a module that somebody named – is a plugin that this copy understands. */
export function checkPlugin(value: unknown): asserts value is Plugin {
  const plugin = value as Partial<Plugin> | null | undefined
  const found: unknown = plugin?.protocol
  if (
    typeof plugin !== 'object' ||
    plugin === null ||
    typeof plugin.name !== 'string' ||
    found === undefined
  ) {
    throw new BeyondgradError(
      'value',
      'a plugin is what definePlugin({ protocol: 1, name, … }) returns; export it as default',
    )
  }
  if (found !== protocol) {
    throw new BeyondgradError(
      'protocol',
      `plugin "${plugin.name}" speaks protocol ${JSON.stringify(found)}, this copy of @beyondgrad/autograd protocol ${protocol}: install versions that belong together`,
    )
  }
  const called = [...Object.keys(plugin.quantities ?? {}), ...Object.keys(plugin.losses ?? {})]
  const odd = called.find((name) => !kebab.test(name))
  if (odd !== undefined) {
    throw new BeyondgradError(
      'value',
      `plugin "${plugin.name}": "${odd}" can't be typed on a command line; use small letters, digits and hyphens, as in "batch-cosine"`,
    )
  }
}
