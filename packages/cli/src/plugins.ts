/** @file Plugins that the command line was told of: packages as they are found from the current folder, or files. */
import { checkPlugin, type Extension, type Plugin } from '@beyondgrad/autograd'
import { quantities as builtIn } from '@beyondgrad/backpack'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from './usage-error.ts'

/** Factories by the names that the command line and files use. */
export type QuantityFactories = Readonly<Record<string, () => Extension<unknown>>>

/** Loads what `--plugin` names, in that order; throws a sentence that names the plugin. */
export async function loadPlugins(names: readonly string[]): Promise<readonly Plugin[]> {
  const plugins: Plugin[] = []
  for (const name of names) plugins.push(await loadPlugin(name))
  return plugins
}

async function loadPlugin(name: string): Promise<Plugin> {
  const url = locate(name)
  let loaded: { readonly default?: unknown; readonly plugin?: unknown }
  try {
    loaded = (await import(url)) as typeof loaded
  } catch (error) {
    throw new UsageError(`--plugin ${name} does not load: ${firstLine(error)}`, { cause: error })
  }
  const plugin = loaded.default ?? loaded.plugin
  try {
    checkPlugin(plugin)
  } catch (error) {
    throw new UsageError(`--plugin ${name}: ${firstLine(error)}`, { cause: error })
  }
  return plugin
}

/** A file if there is one of that name, else a package that the current folder sees. */
function locate(name: string): string {
  const file = resolve(name)
  if (existsSync(file)) return pathToFileURL(file).href
  try {
    return import.meta.resolve(name, pathToFileURL(join(process.cwd(), 'index.js')).href)
  } catch {
    // An older Node ignores the second argument.
  }
  try {
    return pathToFileURL(createRequire(join(process.cwd(), 'index.js')).resolve(name)).href
  } catch (error) {
    throw new UsageError(
      `--plugin ${name}: there is no such file, nor a package of that name here: npm i ${name}`,
      {
        cause: error,
      },
    )
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!

/** The built-in quantities and those of plugins; a name that is taken is an error that says by whom. */
export function knownQuantities(plugins: readonly Plugin[]): QuantityFactories {
  const known = new Map<string, { readonly factory: () => Extension<unknown>; readonly by: string }>()
  for (const [name, factory] of Object.entries(builtIn))
    known.set(name, { factory, by: '@beyondgrad/backpack' })
  for (const { name: by, quantities } of plugins) {
    for (const [name, factory] of Object.entries(quantities ?? {})) {
      const other = known.get(name)
      if (other !== undefined) {
        throw new UsageError(`--plugin ${by}: its quantity "${name}" is taken by ${other.by} already`)
      }
      known.set(name, { factory, by })
    }
  }
  return Object.fromEntries([...known].map(([name, { factory }]) => [name, factory]))
}
