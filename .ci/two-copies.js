// @ts-check
/**
 * @file Two copies of our packages in one process, as an application and a plugin may bring them: with the same protocol number
 * they work together, with different ones a sentence names both. Argument: a folder of tarballs.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const names = ['tensor', 'autograd', 'backpack', 'nn']
const tarballs = resolve(process.argv[2] ?? '.')
const folder = mkdtempSync(join(tmpdir(), 'beyondgrad-copies-'))

/** @param {string} copy @param {string} name */
const home = (copy, name) => join(folder, copy, 'node_modules/@beyondgrad', name)

/** @param {string} copy */
function install(copy) {
  for (const name of names) {
    const file = readdirSync(tarballs).find((each) => each.startsWith(`beyondgrad-${name}-`))
    if (file === undefined) throw new Error(`${tarballs} has no tarball of @beyondgrad/${name}`)
    mkdirSync(home(copy, name), { recursive: true })
    const args = ['-xzf', join(tarballs, file), '-C', home(copy, name), '--strip-components=1']
    execFileSync('tar', args)
  }
}

/** What the packages take from others is one for both copies. */
function shareLibraries() {
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  const installed = join(import.meta.dirname, '../packages/backpack/node_modules/ml-matrix')
  symlinkSync(realpathSync(installed), join(folder, 'node_modules/ml-matrix'))
}

/**
 * Everything that a copy's packages export.
 *
 * @param {string} copy
 * @returns {Promise<Record<string, any>>}
 */
async function load(copy) {
  const modules = await Promise.all(
    names.map((name) => import(pathToFileURL(join(home(copy, name), 'dist/index.js')).href)),
  )
  return Object.assign({}, ...modules)
}

/** Another protocol number; the build has written it into every comparison. @param {string} copy */
function speakAnotherProtocol(copy) {
  const file = join(home(copy, 'tensor'), 'dist/index.js')
  /** @type {readonly (readonly [RegExp, string])[]} */
  const places = [
    [/\bconst protocol = 1\b/g, 'const protocol = 2'],
    [/"~beyondgrad" = 1\b/g, '"~beyondgrad" = 2'],
    [/\["~beyondgrad"\] !== 1\b/g, '["~beyondgrad"] !== 2'],
    [/\bfound (===|!==) 1\b/g, 'found $1 2'],
    [/\bprotocol(:?) 1\b/g, 'protocol$1 2'],
    [/\bbeyondgrad\.1\b/g, 'beyondgrad.2'],
  ]
  const text = places.reduce(
    (all, [from, to]) => {
      assert.match(all, from, `the build of @beyondgrad/tensor has changed: ${from} is not in it`)
      return all.replaceAll(from, to)
    },
    readFileSync(file, 'utf8'),
  )
  writeFileSync(file, text)
}

/** @param {any} map @returns {Record<string, number[]>} */
const numbers = (map) =>
  Object.fromEntries([...map].map(([key, value]) => [key.name, Array.from((value.output ?? value).data)]))

/** @param {Record<string, any>} one @param {Record<string, any>} two */
async function workTogether(one, two) {
  assert.notEqual(one.add, two.add, 'there is only one copy')
  one.setEngine(one.referenceEngine({ warn: () => undefined }))
  assert.equal(two.currentEngine(), one.currentEngine())

  // Tensors of both in one expression, whoever builds and evaluates it.
  const [a, b] = [one.tensor([1, 2]), two.tensor([3, 4])]
  for (const sum of [one.add(a, b), two.add(a, b), a.add(b), b.add(a)]) {
    for (const copy of [one, two])
      assert.deepEqual(Array.from((await copy.evaluate({ sum })).sum.data), [4, 6])
  }

  // A net of layers, ops and losses of both, and quantities of both that need each other's parts.
  const bend = two.defineOp({
    name: 'two-copies:bend',
    expand: (/** @type {any[]} */ [x]) => two.add(x, two.square(x)),
    rule: two.elementwiseRule({
      partial: (/** @type {any} */ _z, /** @type {any[]} */ [x]) => one.add(one.mul(x, 2), 1),
      second: () => 2,
    }),
  })
  const layers = [
    two.Linear(2, 3, { seed: 1 }),
    one.moduleOf((/** @type {any} */ x) => bend([x])),
    one.Linear(3, 2, { seed: 2 }),
  ]
  for (const [first, second] of [
    [one, two],
    [two, one],
  ]) {
    const net = first.Sequential(...layers)
    const loss = second.crossEntropy(
      net(
        one.tensor([
          [1, 2],
          [3, -1],
          [0, 1],
        ]),
      ),
      two.intTensor([0, 1, 1]),
    )
    for (const name of ['BatchL2', 'Variance', 'DiagGGN', 'DiagGGNMC', 'DiagHessian', 'KFLR']) {
      const extensions = { own: first[name](), others: second[name]() }
      const { own, others } = await second.evaluate(first.backward(loss, extensions))
      assert.deepEqual(numbers(own), numbers(others), name)
      assert.equal(own.size, 4)
      for (const [parameter] of net.parameters) assert.ok(others.get(parameter))
    }
    const total = first.defineExtension(
      {
        name: 'total',
        flow: second.gradientFlow,
        needs: { squares: second.BatchL2() },
        parameter: () => undefined,
      },
      (/** @type {any} */ { needs }) => [...needs.squares].map(([, each]) => each).reduce((x, y) => x.add(y)),
    )
    const { total: found, squares } = await one.evaluate(
      two.backward(loss, { total, squares: first.BatchL2() }),
    )
    const expected = Object.values(numbers(squares)).reduce((x, y) => x.map((value, n) => value + y[n]))
    found.data.forEach((/** @type {number} */ value, /** @type {number} */ n) =>
      assert.ok(Math.abs(value - expected[n]) < 1e-12),
    )

    // A compiled step with the other copy's optimiser.
    const optimizer = second.SGD(net.parameters, { learningRate: 0.1 })
    const step = first.compile((/** @type {any} */ x, /** @type {any} */ y) => {
      const value = second.crossEntropy(net(x), y)
      const { gradient } = second.backward(value, { gradient: first.Gradient() })
      return { value, update: optimizer.update(gradient) }
    })
    const losses = []
    for (let i = 0; i < 5; i++) {
      losses.push(
        (
          await step(
            second.tensor([
              [1, 2],
              [3, -1],
            ]),
            first.intTensor([0, 1]),
          )
        ).value.data[0],
      )
    }
    assert.ok(
      losses.every((value, i) => i === 0 || value < losses[i - 1]),
      `losses ${losses} don't fall`,
    )
    await assert.rejects(first.evaluate({ loss }), { code: 'stale-parameter' })
  }
}

/** @param {Record<string, any>} one @param {Record<string, any>} other */
async function areToldApart(one, other) {
  const loss = () => one.mseLoss(one.Linear(2, 1, { seed: 1 })(one.tensor([[1, 2]])), one.tensor([[3]]))
  const plugin = { protocol: 2, name: 'beyondgrad-other', quantities: {} }
  /** @type {readonly (readonly [string, () => unknown])[]} */
  const mixtures = [
    ['a tensor in an op', () => one.add(one.tensor([1]), other.tensor([1]))],
    ['the other way round', () => other.add(one.tensor([1]), other.tensor([1]))],
    ['as an argument of a method', () => one.tensor([1]).mul(other.tensor([1]))],
    ['in a list', () => one.concat([one.tensor([1]), other.tensor([1])], 0)],
    ['evaluated', () => one.evaluate({ x: other.tensor([1]) })],
    ['a parameter in a layer', () => other.Linear(2, 1, { seed: 1 })(one.tensor([[1, 2]]))],
    [
      'a loss',
      () => one.backward(other.mseLoss(other.tensor([[1]]), other.tensor([[2]])), { g: one.Gradient() }),
    ],
    ['an extension', () => one.backward(loss(), { g: other.Gradient() })],
    ['a plugin', () => one.definePlugin(plugin)],
    ['an engine', () => one.setEngine(other.referenceEngine())],
    [
      'an engine for one evaluation',
      () => one.evaluate({ x: one.tensor([1]) }, { engine: other.referenceEngine() }),
    ],
  ]
  for (const [what, mix] of mixtures) {
    await assert.rejects(
      async () => mix(),
      (/** @type {any} */ error) => {
        const { code, message } = error
        assert.ok(typeof code === 'string', `${what}: ${error.stack}`)
        assert.match(message, /protocol 1\b/, what)
        assert.match(message, /protocol 2\b/, what)
        assert.doesNotMatch(message, /\n|\. /, `${what}: more than one sentence`)
        return true
      },
    )
  }
  return mixtures.length
}

try {
  for (const copy of ['one', 'two', 'other']) install(copy)
  shareLibraries()
  speakAnotherProtocol('other')
  const [one, two, other] = await Promise.all(['one', 'two', 'other'].map(load))
  await workTogether(one, two)
  const count = await areToldApart(one, other)
  console.log(`two copies with one protocol work together; ${count} mixtures of two protocols are told`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
