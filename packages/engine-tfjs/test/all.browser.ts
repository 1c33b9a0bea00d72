/**
 * @file The tests of Node once more, on all backends of a browser. What concerns integers of 32 bits, NaN and infinity, and all of
 * indexing, runs on the processor's; goldens need files.
 */
import './fixed-cases.ts'
import * as tf from '@tensorflow/tfjs-core'
import { expect, it } from 'vitest'
import { backends } from './backends.ts'
import './engine.test.ts'
import './indexing.test.ts'
import './integers.test.ts'
import './memory.test.ts'
import './ops.test.ts'
import './training.test.ts'
import './transcendental.test.ts'
import './window.test.ts'

it('says which backends there are', () => {
  const names = backends.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['cpu', 'wasm', 'webgl']))
  console.info(`tfjs ${tf.version_core} in this browser: ${names.join(', ')}`)
})
