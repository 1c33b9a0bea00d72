/** @file The page of engine-onnxruntime's README, built and opened as a user would. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { openBuiltPage } from './built-page.ts'

const root = fileURLToPath(new URL('../packages/engine-onnxruntime/test/page', import.meta.url))
const out = mkdtempSync(join(tmpdir(), 'beyondgrad-page-'))

afterAll(() => rmSync(out, { recursive: true, force: true }))

it('runs the page of the README, built by Vite, with and without a worker', async () => {
  const pages = await openBuiltPage(root, out, ['', '?worker'])
  for (const page of pages) {
    expect(page).toMatchObject({ text: '8 11 16 23', printed: [] })
    // Of the two WebAssembly files that the build contains one is fetched: not that of WebGPU.
    expect(page.fetched.filter((file) => file.endsWith('.wasm'))).toHaveLength(1)
    expect(page.fetched.join()).not.toMatch(/asyncify|webgpu/)
  }
})
