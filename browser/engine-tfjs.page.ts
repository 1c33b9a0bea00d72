/** @file The page of engine-tfjs's README, built and opened as a user would. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { openBuiltPage } from './built-page.ts'

const root = fileURLToPath(new URL('../packages/engine-tfjs/test/page', import.meta.url))
const out = mkdtempSync(join(tmpdir(), 'beyondgrad-page-'))

afterAll(() => rmSync(out, { recursive: true, force: true }))

it('runs the page of the README, built by Vite', async () => {
  const [page] = await openBuiltPage(root, out)
  expect(page).toMatchObject({ text: '8 11 16 23', printed: [] })
  expect(page!.fetched.filter((file) => file.endsWith('.wasm'))).toHaveLength(1)
})
