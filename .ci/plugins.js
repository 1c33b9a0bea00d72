// @ts-check
/**
 * @file Tests the plugins under examples/plugins as their users have them: outside the workspace, with packed tarballs of
 * our packages and everything else from the registry; and what happens where two copies of our packages meet. Arguments: a
 * folder of tarballs (default: packs them first), or names of plugins after `--only`.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')
const [first, ...rest] = process.argv.slice(2)
const only = first === '--only' ? rest : []
const folder = mkdtempSync(join(tmpdir(), 'beyondgrad-plugins-'))

/** @param {string} command @param {string[]} args @param {string} cwd */
const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: 'inherit' })

function packedTarballs() {
  const to = join(folder, 'tarballs')
  mkdirSync(to)
  run('npx', ['-y', 'pnpm@10.34.8', '-r', '--filter', './packages/*', 'run', 'build'], root)
  run('npx', ['-y', 'pnpm@10.34.8', '-r', '--filter', './packages/*', 'pack', '--pack-destination', to], root)
  return to
}

/**
 * Runs the programs of a plugin's README, as somebody does who has installed it.
 *
 * @param {string} at
 */
function runReadme(at) {
  const text = readFileSync(join(at, 'README.md'), 'utf8')
  for (const [, code = ''] of text.matchAll(/^```ts\n(.*?)^```$/gms)) {
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 }
    const { outputText } = ts.transpileModule(code, { compilerOptions: options })
    writeFileSync(join(at, 'readme.js'), outputText)
    run(process.execPath, ['readme.js'], at)
  }
}

/** @param {string} tarball */
const nameOf = (tarball) =>
  JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })).name

try {
  const tarballs = first === undefined || first === '--only' ? packedTarballs() : resolve(first)
  const files = readdirSync(tarballs)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(tarballs, name))
  run(process.execPath, [join(import.meta.dirname, 'two-copies.js'), tarballs], root)
  const packages = Object.fromEntries(files.map((file) => [nameOf(file), `file:${file}`]))
  const plugins = readdirSync(join(root, 'examples/plugins'), { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isDirectory() &&
        entry.name !== 'node_modules' &&
        (only.length === 0 || only.includes(entry.name)),
    )
    .map(({ name }) => name)
  cpSync(join(root, 'examples/plugins'), join(folder, 'plugins'), {
    recursive: true,
    filter: (from) => !/node_modules|dist$/.test(from),
  })
  // What the template makes is tested and packed as it comes.
  const scaffold = 'a-new-one'
  if (only.length === 0) {
    run(
      process.execPath,
      [join(root, 'templates/create-plugin.js'), scaffold, join(folder, 'plugins', scaffold)],
      folder,
    )
    plugins.push(scaffold)
  }
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      type: 'module',
      workspaces: plugins.map((name) => `plugins/${name}`),
      devDependencies: packages,
      overrides: packages,
    }),
  )
  // Nothing that we use needs a script at install time; onnxruntime-node would fetch what only GPUs need.
  const quietly = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error']
  run('npm', ['install', ...quietly], folder)
  for (const name of plugins) {
    const at = join(folder, 'plugins', name)
    const {
      name: as,
      keywords,
      peerDependencies,
    } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'))
    if (
      !as.startsWith('beyondgrad-') ||
      !keywords.includes('beyondgrad-plugin') ||
      !peerDependencies['@beyondgrad/autograd']
    ) {
      throw new Error(
        `${name}: a plugin is called beyondgrad-…, has the keyword beyondgrad-plugin and names @beyondgrad/autograd as peer`,
      )
    }
    for (const script of ['typecheck', 'test', 'build']) run('npm', ['run', '-s', script], at)
    // Built, it loads as any package does.
    run(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import(${JSON.stringify(as)}).then((m) => console.log(Object.keys(m).join(' ')))`,
      ],
      at,
    )
    runReadme(at)
    if (name === scaffold) run('npm', ['pack', '--loglevel=error'], at)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
