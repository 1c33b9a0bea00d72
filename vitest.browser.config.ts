/**
 * @file Tests in a real browser: `npm run test:browser`. `*.browser.ts` run inside headless Chromium; `browser/*.page.ts` run
 * in Node, build a page as a user would, and open it there. Chromium is the system's, or what CHROMIUM_PATH names.
 */
import { playwright } from '@vitest/browser-playwright'
import { defaultClientConditions, defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'
import { chromium } from './browser/chromium.ts'

export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [
      {
        // Threads of WebAssembly need memory that is shared, and that needs an isolated page.
        server: {
          headers: {
            'Cross-Origin-Opener-Policy': 'same-origin',
            'Cross-Origin-Embedder-Policy': 'require-corp',
          },
        },
        resolve: { conditions: ['@beyondgrad/source', ...defaultClientConditions] },
        // Its bundler would lose the way from the module to its wasm file.
        optimizeDeps: { exclude: ['onnxruntime-web'] },
        test: {
          name: 'browser',
          include: ['packages/*/test/**/*.browser.ts'],
          testTimeout: 120_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: chromium() }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        ssr: { resolve: { conditions: ['@beyondgrad/source', ...defaultServerConditions] } },
        test: { name: 'pages', include: ['browser/*.page.ts'], testTimeout: 120_000 },
      },
    ],
  },
})
