import js from '@eslint/js'
import nx from '@nx/eslint-plugin'
import { defineConfig, globalIgnores } from 'eslint/config'
import { builtinModules } from 'node:module'
import tseslint from 'typescript-eslint'
import { depConstraints, testDepConstraints } from './layers.js'

const tests = ['**/test/**', 'packages/*/bench/**/*.ts', '**/*.test.ts', '**/*.test-d.ts']
const configFiles = ['**/*.config.ts', '*.shared.ts', '**/*.js']

/** Run in browsers too, so their sources may not reach for Node. */
const universal = ['tensor', 'autograd', 'nn', 'backpack', 'vivit', 'onnx', 'onnx-import', 'engine-tfjs']

const boundaries = (constraints, options = {}) => [
  'error',
  {
    ...options,
    enforceBuildableLibDependency: false,
    banTransitiveDependencies: false,
    allow: ['^(\\.\\./)+(vitest|tsdown)\\.shared\\.ts$'],
    depConstraints: constraints,
  },
]

export default defineConfig(
  globalIgnores(['**/dist/', '**/dist-types/', '**/coverage/', '**/*_pb.ts', '.nx/']),
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': boundaries(depConstraints()),
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: {
      // What others import says its types, and never says `any`.
      '@typescript-eslint/explicit-module-boundary-types': [
        'error',
        { allowArgumentsExplicitlyTypedAsAny: false },
      ],
    },
  },
  {
    files: universal.map((name) => `packages/${name}/src/**/*.ts`),
    rules: {
      'no-restricted-imports': ['error', { paths: builtinModules, patterns: ['node:*'] }],
      'no-restricted-globals': [
        'error',
        'process',
        'Buffer',
        '__dirname',
        '__filename',
        'require',
        'setImmediate',
      ],
    },
  },
  {
    files: tests,
    rules: {
      '@nx/enforce-module-boundaries': boundaries(testDepConstraints()),
    },
  },
  {
    // Pages as users write them: they import the package that they belong to by its name.
    files: ['packages/*/test/page/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': boundaries(testDepConstraints(), {
        allowCircularSelfDependency: true,
      }),
    },
  },
  {
    files: configFiles,
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
  },
)
