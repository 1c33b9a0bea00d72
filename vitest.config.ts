import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: ['{packages,apps,examples}/*/vitest.config.ts'],
    passWithNoTests: true,
    coverage: { provider: 'v8', include: ['packages/*/src/**/*.ts'] },
  },
})
