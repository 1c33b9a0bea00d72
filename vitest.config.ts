import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*', 'examples/*'],
    passWithNoTests: true,
    coverage: { provider: 'v8', include: ['packages/*/src/**/*.ts'] },
  },
})
