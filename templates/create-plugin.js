// @ts-check
/**
 * @file Writes the files of a new plugin. Arguments: its name in small letters and hyphens (`batch-cosine`), and the folder that
 * it goes to (default: `beyondgrad-NAME` here).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const template = join(import.meta.dirname, 'plugin')
const [name, folder = name && `beyondgrad-${name}`] = process.argv.slice(2)

if (name === undefined || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
  console.error('usage: npm run new-plugin -- NAME [FOLDER], where NAME is like batch-cosine')
  process.exit(2)
}
const target = resolve(/** @type {string} */ (folder))
if (existsSync(target) && readdirSync(target).length > 0) {
  console.error(`${target} is there already and not empty; choose another folder`)
  process.exit(1)
}

const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../packages/autograd/package.json'), 'utf8'),
)
/** @type {readonly (readonly [string, string])[]} */
const replacements = [
  ['my-quantity', name],
  ['MyQuantity', name.replaceAll(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase())],
  ['"*"', version === '0.0.0' ? '"*"' : `"^${version}"`],
]

for (const entry of readdirSync(template, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const from = join(entry.parentPath, entry.name)
  const to = join(target, relative(template, from))
  mkdirSync(dirname(to), { recursive: true })
  const text = readFileSync(from, 'utf8')
  writeFileSync(
    to,
    replacements.reduce((all, [word, by]) => all.replaceAll(word, by), text),
  )
}
console.log(
  `${relative(process.cwd(), target) || '.'}: cd there, npm install, npm test, and look at src/index.ts first`,
)
