// @ts-check
/**
 * @file Type-checks and runs the `ts` blocks of the READMEs as programs of their own, against the packages' sources. A
 * block that needs what is not there (a file, a browser) says so in the line before it: `<!-- not run: why -->`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const packages = [
  'tensor',
  'autograd',
  'nn',
  'backpack',
  'engine-onnxruntime',
  'io',
  'onnx',
  'onnx-import',
  'vivit',
  'cockpit',
  'testing',
]
const docs = [
  'write-an-extension',
  'write-a-layer',
  'write-a-loss',
  'write-an-engine',
  'diagnosis',
  'operators',
  'from-backpack',
]
const readmes = [
  'README.md',
  ...packages.map((name) => `packages/${name}/README.md`),
  ...docs.map((name) => `docs/${name}.md`),
]

/** @param {string} file */
function blocksOf(file) {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/^(<!-- not run: [^\n]+ -->\n+)?```ts\n(.*?)^```$/gms)].map(
    ([, marker, code = '']) => ({
      file,
      code,
      runs: marker === undefined,
    }),
  )
}

const folder = mkdtempSync(join(tmpdir(), 'beyondgrad-readme-'))
/** @param {string} script @param {string[]} args */
const node = (script, ...args) =>
  execFileSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: folder,
    stdio: 'inherit',
  })

try {
  // The command line depends on every package: its view of them is that of a user who has installed them all.
  symlinkSync(join(root, 'packages/cli/node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const programs = readmes.flatMap(blocksOf).map((block, i) => ({ ...block, name: `block-${i}.ts` }))
  for (const { name, code } of programs) writeFileSync(join(folder, name), `${code}export {}\n`)
  const tsconfig = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { rootDir: '/', typeRoots: [join(root, 'node_modules/@types')] },
    include: ['*.ts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
  node('typescript/bin/tsc', '-p', folder)
  for (const { file, name, runs } of programs) {
    console.log(`${file}, ${name}${runs ? '' : ': not run'}`)
    if (runs) node('tsx/dist/cli.mjs', '--conditions=@beyondgrad/source', name)
  }
} finally {
  rmSync(folder, { recursive: true })
}
