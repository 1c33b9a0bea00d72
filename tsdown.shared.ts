import { defineConfig, type UserConfig } from 'tsdown'

/** The build that all packages share: one ES module and its declarations, dependencies left as imports. */
export function library(overrides: UserConfig = {}): UserConfig {
  return defineConfig({
    entry: ['src/index.ts'],
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    dts: { oxc: true },
    sourcemap: true,
    fixedExtension: false,
    ...overrides,
  })
}
