/** @file The page of apps/demo, built as it would be deployed, served from below a server's root, and opened in Chromium. */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { type Browser, chromium as browser, type Page } from 'playwright'
import { fileURLToPath } from 'node:url'
import { preview, type PreviewServer } from 'vite'
import { chromium } from './chromium.ts'

const root = fileURLToPath(new URL('../apps/demo', import.meta.url))
/** Milliseconds to wait for a page, at most. */
const patience = 60_000

export interface DemoPage {
  readonly page: Page
  /** Errors and warnings of the console, and what nobody caught. */
  readonly complaints: readonly string[]
  /** Addresses that it fetched. */
  readonly fetched: readonly string[]
  /** Waits until the training rests, and returns why. */
  rested(): Promise<string>
  /** Presses Start, and waits until the training rests. */
  train(): Promise<string>
  /** A figure, as it is written. */
  figure(name: string): Promise<string>
  /** What the diagnosis says. */
  findings(): Promise<
    readonly { readonly rule: string; readonly severity: string; readonly sentence: string }[]
  >
}

export class DemoServer {
  readonly #server: PreviewServer
  readonly #browser: Browser

  private constructor(server: PreviewServer, opened: Browser) {
    this.#server = server
    this.#browser = opened
  }

  /** Builds the page into a folder, and serves it with no header that it would need. */
  static async start(out: string): Promise<DemoServer> {
    // A process of its own, since libraries would take the test's environment for that of a developer.
    const { NODE_ENV: _, ...env } = process.env
    const vite = createRequire(import.meta.url)
      .resolve('vite/package.json')
      .replace('package.json', 'bin/vite.js')
    const args = [vite, 'build', root, '--outDir', out, '--emptyOutDir', '--logLevel', 'error']
    await promisify(execFile)(process.execPath, args, { env })
    const server = await preview({
      root,
      logLevel: 'error',
      configFile: false,
      base: '/deep/below/',
      build: { outDir: out },
      preview: { port: 0, host: '127.0.0.1' },
    })
    return new DemoServer(server, await browser.launch(chromium()))
  }

  get address(): string {
    return this.#server.resolvedUrls!.local[0]!
  }

  async open(query: string): Promise<DemoPage> {
    const page = await this.#browser.newPage()
    page.setDefaultTimeout(patience)
    const complaints: string[] = []
    const fetched: string[] = []
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => fetched.push(request.url()))
    await page.goto(this.address + query)
    const restedAs = async (): Promise<string> => {
      await page.waitForFunction(
        () => !['loading', 'running'].includes(document.querySelector('main')?.dataset.phase ?? 'loading'),
      )
      return (await page.locator('main').getAttribute('data-phase'))!
    }
    await restedAs()
    return {
      page,
      complaints,
      fetched,
      rested: restedAs,
      train: async () => {
        await page.click('button.main')
        // The page draws what was done in its next frame.
        await page.evaluate(
          () => new Promise<void>((resolve) => requestAnimationFrame(() => setTimeout(resolve))),
        )
        return restedAs()
      },
      figure: (name) => page.locator(`[data-figure=${name}] dd`).first().innerText(),
      findings: () =>
        page.$$eval('.findings [data-rule]', (items) =>
          (items as HTMLElement[]).map((item) => ({
            rule: item.dataset.rule!,
            severity: item.className,
            sentence: item.textContent.replaceAll(/\s+/g, ' ').trim(),
          })),
        ),
    }
  }

  async stop(): Promise<void> {
    await this.#browser.close()
    await this.#server.close()
  }
}
