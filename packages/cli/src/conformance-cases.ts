/** @file ONNX's backend tests on disk: `<suite>/<case>/{model.onnx,test_data_set_0/{input,output}_<i>.pb}` and a manifest. */
import type { ConformanceCase } from '@beyondgrad/onnx-import'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

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

/** The files of one case. */
export function readCase(folder: string, { suite, case: name }: ListedCase): ConformanceCase {
  const at = join(folder, suite, name)
  const list = (kind: string): Uint8Array[] => {
    const files: Uint8Array[] = []
    for (let i = 0; ; i++) {
      const file = join(at, 'test_data_set_0', `${kind}_${i}.pb`)
      if (!existsSync(file)) return files
      files.push(readFileSync(file))
    }
  }
  const model = { path: join(at, 'model.onnx') }
  return { name: `${suite}/${name}`, model, inputs: list('input'), outputs: list('output') }
}
