/** @file ONNX's backend tests on disk: `<suite>/<case>/{model.onnx,test_data_set_0/{input,output}_<i>.pb}`, perhaps with a manifest. */
import type { ConformanceCase } from '@beyondgrad/onnx-import'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** A case as the manifest lists it. */
export interface ListedCase {
  readonly suite: string
  readonly case: string
  /** The operator that it tests. */
  readonly op: string
  /** 1: wanted. 2: welcome. */
  readonly tier: number
}

/** The cases in a folder, by its manifest. */
export function listedCases(folder: string): readonly ListedCase[] {
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    readonly cases: readonly ListedCase[]
  }
  return manifest.cases
}

/** Cases lie no deeper than this below the folder that is asked for. */
const deepest = 3

/** The folders of cases in a folder, which may be one itself; sorted. */
export function caseFolders(folder: string, depth: number = deepest): string[] {
  if (existsSync(join(folder, 'model.onnx'))) return [folder]
  if (depth === 0) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => caseFolders(join(folder, name), depth - 1))
}

/** The files of the case in a folder, called `suite/case` by the folders that it is in. */
export function readCase(folder: string): ConformanceCase {
  const at = resolve(folder)
  const list = (kind: string): Uint8Array[] => {
    const files: Uint8Array[] = []
    for (let i = 0; ; i++) {
      const file = join(at, 'test_data_set_0', `${kind}_${i}.pb`)
      if (!existsSync(file)) return files
      files.push(readFileSync(file))
    }
  }
  return {
    name: `${basename(dirname(at))}/${basename(at)}`,
    model: { path: join(at, 'model.onnx') },
    inputs: list('input'),
    outputs: list('output'),
  }
}
