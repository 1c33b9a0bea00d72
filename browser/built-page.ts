/** @file Builds a page as a user's Vite would, serves it, and opens it in Chromium. */
import { chromium as browser } from 'playwright'
import { build, defaultClientConditions, preview } from 'vite'
import { chromium } from './chromium.ts'

export interface OpenedPage {
  /** What the page's body says in the end. */
  readonly text: string
  /** What it printed on the console, and its errors. */
  readonly printed: readonly string[]
  /** Files that it fetched. */
  readonly fetched: readonly string[]
}

/**
 * Builds the page in a folder, with workspace packages taken from their sources, and opens it once for each query.
 *
 * @param root folder with an index.html
 * @param out folder for what is built
 */
export async function openBuiltPage(
  root: string,
  out: string,
  queries: readonly string[] = [''],
): Promise<readonly OpenedPage[]> {
  const shared = { root, configFile: false, logLevel: 'error' } as const
  await build({
    ...shared,
    resolve: { conditions: ['@beyondgrad/source', ...defaultClientConditions] },
    build: { outDir: out, emptyOutDir: true, target: 'es2022' },
  })
  const server = await preview({ ...shared, build: { outDir: out }, preview: { port: 0, host: '127.0.0.1' } })
  const opened = await browser.launch(chromium())
  try {
    const address = server.resolvedUrls!.local[0]!
    const pages: OpenedPage[] = []
    for (const query of queries) {
      const page = await opened.newPage()
      const printed: string[] = []
      const fetched: string[] = []
      page.on('console', (message) => printed.push(message.text()))
      page.on('pageerror', (error) => printed.push(String(error)))
      page.on('request', (request) => fetched.push(new URL(request.url()).pathname))
      await page.goto(address + query)
      await page.waitForFunction(() => document.body.innerText.trim() !== '', undefined, { timeout: 60_000 })
      pages.push({ text: await page.innerText('body'), printed, fetched })
      await page.close()
    }
    return pages
  } finally {
    await opened.close()
    await server.close()
  }
}
