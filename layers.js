/**
 * @file Who may depend on whom. A package may import what it names here and what that may import in turn:
 * dependencies point downwards only. ESLint enforces the table (`@nx/enforce-module-boundaries`); a package
 * says which row it is by the nx tag `package:<name>` in its package.json.
 */

/** @type {Record<string, string[]>} */
const mayDependOn = {
  tensor: [],
  autograd: ['tensor'],
  nn: ['autograd'],
  backpack: ['autograd'],
  vivit: ['backpack'],
  cockpit: ['backpack'],
  onnx: ['tensor'],
  'onnx-import': ['autograd', 'onnx'],
  'engine-tfjs': ['tensor'],
  'engine-onnxruntime': ['onnx'],
  io: ['tensor'],
  testing: ['autograd'],
}

const packages = Object.keys(mayDependOn)

/** The top of the table: these may use every package. */
const tops = ['cli', 'app', 'example']

/** What tests may use beyond their package's own row. */
const testAids = ['testing', 'nn', 'backpack', 'onnx-import', 'engine-onnxruntime', 'engine-tfjs', 'io']

/** @param {string} name @returns {string[]} */
const below = (name) => (mayDependOn[name] ?? []).flatMap((lower) => [lower, ...below(lower)])

/** @param {string[]} [extra] */
export const depConstraints = (extra = []) => [
  ...packages.map((name) => constraint(name, [name, ...below(name), ...extra])),
  ...tops.map((name) => constraint(name, packages)),
]

export const testDepConstraints = () => depConstraints(testAids.flatMap((name) => [name, ...below(name)]))

/** @param {string} name @param {string[]} allowed */
const constraint = (name, allowed) => ({
  sourceTag: `package:${name}`,
  onlyDependOnLibsWithTags: [...new Set(allowed)].map((lower) => `package:${lower}`),
})
