/** @file Files of other writers: read, written again, refused. */

import { toBinary } from '@bufbuild/protobuf'
import { DataError } from '@beyondgrad/tensor'
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseModel } from '../src/index.ts'
import { ModelProtoSchema } from '../src/proto/onnx_pb.ts'

/** Exported by PyTorch. */
const exported = new Uint8Array(readFileSync(new URL('fixtures/logreg-ce-mean.onnx', import.meta.url)))

describe('parseModel', () => {
  it('reads a model that PyTorch exported', () => {
    const { graph, opsetImport } = parseModel(exported)
    expect(opsetImport.length).toBeGreaterThan(0)
    expect(graph?.input.map(({ name }) => name)).toEqual(['input'])
    expect(graph?.output.map(({ name }) => name)).toEqual(['output'])
    expect(graph?.initializer.map(({ name }) => name)).toContain('0.weight')
  })

  it('loses nothing: written again, the bytes are the same', () => {
    expect(toBinary(ModelProtoSchema, parseModel(exported))).toEqual(exported)
  })

  it('refuses what is no model, naming the file', () => {
    const noModel = new TextEncoder().encode('version https://git-lfs.github.com/spec/v1')
    expect(() => parseModel(noModel, 'a.onnx')).toThrow(/^parseModel: a\.onnx \(42 bytes\) is no ONNX model/)
    expect(() => parseModel(new Uint8Array())).toThrow(/has no graph/)
  })

  it('reads damaged bytes or throws a DataError', () => {
    const damage = fc.record({ at: fc.nat(exported.length - 1), to: fc.integer({ min: 0, max: 255 }) })
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 5 }), fc.nat(exported.length), (damages, length) => {
        const bytes = exported.slice(0, length)
        for (const { at, to } of damages) if (at < length) bytes[at] = to
        try {
          parseModel(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DataError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
