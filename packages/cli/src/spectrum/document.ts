/** @file Spectra: as the JSON document that others rely on, as arrays by name, and as a table with small plots for people. */
import { arrayToJson, type JsonArray, type NamedArrays } from '@beyondgrad/io'
import type { DType, NDArray } from '@beyondgrad/tensor'
import { type GroupDirections, type GroupSpectrum, spectrumPlot } from '@beyondgrad/vivit'
import Table from 'cli-table3'
import { panelText } from '../text-plots/panel.ts'

/** What was computed; with eigenvectors where they were asked for. */
export interface SpectrumResults {
  readonly loss: number
  readonly engine: string
  readonly groups: readonly (GroupSpectrum & Partial<Pick<GroupDirections, 'vectors'>>)[]
}

/** The document that `--json` prints, and that `--out F.json` holds. */
export interface SpectrumDocument {
  readonly loss: number
  readonly groups: readonly {
    readonly parameters: readonly string[]
    /** Ascending. */
    readonly eigenvalues: readonly number[]
    /** By parameter, [k, ...shape]: one for each eigenvalue. */
    readonly eigenvectors?: Readonly<Record<string, JsonArray>>
  }[]
}

export function documentOf({ loss, groups }: SpectrumResults): SpectrumDocument {
  return {
    loss,
    groups: groups.map(({ parameters, eigenvalues, vectors }) => ({
      parameters: parameters.map(({ name }) => name),
      eigenvalues: [...eigenvalues],
      ...(vectors && {
        eigenvectors: Object.fromEntries(
          [...vectors].map(([{ name }, { shape, data }]) => [name, arrayToJson(doubles(shape, data))]),
        ),
      }),
    })),
  }
}

const doubles = (shape: readonly number[], data: Float64Array): NDArray<'float64'> => ({
  shape,
  dtype: 'float64',
  data,
})

/** The arrays as `<group>/eigenvalues` and `<group>/eigenvectors/<parameter>`, the loss beside them. */
export function arraysOf({ loss, groups }: SpectrumResults): NamedArrays {
  const arrays: [string, NDArray<DType>][] = [['loss', doubles([], Float64Array.of(loss))]]
  groups.forEach(({ eigenvalues, vectors }, group) => {
    arrays.push([`${group}/eigenvalues`, doubles([eigenvalues.length], eigenvalues)])
    for (const [{ name }, { shape, data }] of vectors ?? [])
      arrays.push([`${group}/eigenvectors/${name}`, doubles(shape, data)])
  })
  return Object.fromEntries(arrays)
}

export function render({ loss, engine, groups }: SpectrumResults): string {
  const table = new Table({
    head: ['group', 'parameters', 'dimension', 'eigenvalues', 'route', 'largest', 'sum'],
    colAligns: ['right', 'left', 'right', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  groups.forEach(({ parameters, dimension, eigenvalues, route }, group) => {
    const sum = eigenvalues.reduce((total, value) => total + value, 0)
    const largest = eigenvalues.at(-1)
    table.push([
      group,
      shortened(parameters.map(({ name }) => name)),
      dimension,
      eigenvalues.length,
      route,
      largest?.toPrecision(5) ?? '',
      sum.toPrecision(5),
    ])
  })
  const plots = spectrumPlot({ groups }).panels.flatMap((panel, group) =>
    panelText({ ...panel, title: `group ${group}` }, { columns: 72, rows: 8 }),
  )
  return [`loss ${loss}, on ${engine}`, table.toString(), ...plots].join('\n')
}

/** The first and the last of many names. */
const shortened = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names[0]} … ${names.at(-1)} (${names.length})`
