import { defaultServerConditions } from 'vite'
import { defineProject, type UserProjectConfigExport } from 'vitest/config'

/** The test set-up that all packages share: workspace packages are read from their sources, so no build comes first. */
export function project(name: string): UserProjectConfigExport {
  return defineProject({
    ssr: { resolve: { conditions: ['@beyondgrad/source', ...defaultServerConditions] } },
    test: {
      name,
      // `*.test-d.ts` (expectTypeOf) is checked by `tsc -b`, as every other file of the package is.
      include: ['{src,test}/**/*.test.ts'],
      testTimeout: 20_000,
    },
  })
}
