// @ts-check
/**
 * @file Tests the plugins under examples/plugins as their users have them: outside the workspace, with packed tarballs of
 * our packages and everything else from the registry. Arguments: a folder of tarballs (default: packs them first), or
 * names of plugins after `--only`.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

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

/** @param {string} tarball */
const nameOf = (tarball) =>
  JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })).name

try {
  const tarballs = first === undefined || first === '--only' ? packedTarballs() : resolve(first)
  const files = readdirSync(tarballs)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(tarballs, name))
  const packages = Object.fromEntries(files.map((file) => [nameOf(file), `file:${file}`]))
  const plugins = readdirSync(join(root, 'examples/plugins'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && (only.length === 0 || only.includes(entry.name)))
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
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], folder)
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
    if (name === scaffold) run('npm', ['pack', '--loglevel=error'], at)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
