/** @file Computes the spectrum of a model's curvature on one batch. */
import type { Reduction } from '@beyondgrad/autograd'
import { type NDArray, tensor } from '@beyondgrad/tensor'
import { ggnEigenpairs, ggnSpectrum, type SpectrumProgress } from '@beyondgrad/vivit'
import { deliver, outFormat, readArray } from '../array-files.ts'
import { chooseEngine, type EngineName } from '../engine-choice.ts'
import { modelForLoss, openModel, outputOf } from '../model-file.ts'
import { readInputs } from '../model-inputs.ts'
import { lossNamed } from '../named-loss.ts'
import { loadPlugins } from '../plugins.ts'
import type { Terminal } from '../terminal.ts'
import { arraysOf, documentOf, render, type SpectrumResults } from './document.ts'

export interface SpectrumCommandOptions {
  readonly input: readonly string[]
  readonly target: string
  readonly loss: string
  readonly reduction: Reduction
  readonly top?: number
  readonly groups: 'all' | 'layer' | 'parameter'
  readonly mcSamples?: number
  readonly seed: number
  readonly output?: string
  readonly engine: EngineName
  readonly out?: string
  readonly plugin: readonly string[]
  readonly json?: boolean
}

export async function spectrum(
  file: string,
  options: SpectrumCommandOptions,
  terminal: Terminal,
): Promise<void> {
  if (options.out !== undefined) outFormat(options.out)
  const plugins = await loadPlugins(options.plugin)
  const loss = lossNamed(options.loss, options.reduction, plugins)
  terminal.progress('reading')
  const opened = await openModel(file, plugins)
  const { model, output: name } = modelForLoss(opened, loss.name, options.output, terminal)
  const output = outputOf(model, name, await readInputs(model, options.input))
  const target = loss.target(await readArray('--target', options.target), output.shape)
  const value = loss.of(output, tensor(target as NDArray))
  const { engine, name: engineName } = await chooseEngine(options.engine, terminal)
  const { top, groups, mcSamples, seed } = options
  const common = {
    engine,
    groups,
    seed,
    ...(mcSamples !== undefined && { columns: mcSamples }),
    onProgress: (progress: SpectrumProgress) => terminal.progress(sentence(progress)),
  }
  const results: SpectrumResults =
    top === undefined
      ? { ...(await ggnSpectrum(value, common)), engine: engineName }
      : { ...largest(await ggnEigenpairs(value, { ...common, criterion: { top } })), engine: engineName }
  const forms = {
    document: () => documentOf(results),
    arrays: () => arraysOf(results),
    text: () => render(results),
  }
  await deliver(forms, options, terminal)
}

/** Of the groups only what was asked for, whichever way it was found. */
const largest = ({
  groups,
  loss,
}: Awaited<ReturnType<typeof ggnEigenpairs>>): Omit<SpectrumResults, 'engine'> => ({
  loss,
  groups: groups.map((group) => ({ ...group, eigenvalues: group.values })),
})

function sentence({ step, group, groups, products }: SpectrumProgress): string {
  const of = group === undefined || groups === 1 ? '' : ` of group ${group + 1} of ${groups}`
  return `computing the ${step}${of}${products === undefined ? '' : `, ${products} so far`}`
}
