/** @file The reference values through the command line: `quantities` as a user types it, and what it prints held to them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../src/program.ts'
import type { QuantitiesDocument } from '../src/quantities/document.ts'
import { listeningTerminal } from './terminal.ts'

interface Values {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

interface Golden {
  readonly loss: { readonly type: string; readonly reduction: string }
  readonly output: Values
  readonly loss_value: number
  readonly quantities: Readonly<Record<string, Readonly<Record<string, Values | readonly Values[]>>>>
}

/** What the command line calls the fixtures' quantities; the others have no name there. */
const names: Readonly<Record<string, string>> = {
  grad: 'gradient',
  batch_grad: 'batch-gradient',
  batch_l2: 'batch-l2',
  sum_grad_squared: 'sum-grad-squared',
  variance: 'variance',
  diag_ggn_exact: 'diag-ggn',
  batch_diag_ggn_exact: 'batch-diag-ggn',
  diag_hessian: 'diag-hessian',
  batch_diag_hessian: 'batch-diag-hessian',
  sqrt_ggn_exact_gram: 'sqrt-ggn',
  kflr: 'kflr',
  kfra: 'kfra',
}

const losses: Readonly<Record<string, string>> = {
  CrossEntropyLoss: 'cross-entropy',
  MSELoss: 'mse',
  BCEWithLogitsLoss: 'bce-with-logits',
}

const roots = ['goldens', 'goldens-graphs'].map((name) =>
  fileURLToPath(new URL(`../../../fixtures/${name}/`, import.meta.url)),
)

/** Folders of networks with their batch. */
export function goldenFolders(): readonly { readonly name: string; readonly folder: string }[] {
  return roots.flatMap((root) =>
    readdirSync(root)
      .flatMap((group) => readdirSync(root + group).map((name) => `${group}/${name}`))
      .map((name) => ({ name, folder: root + name }))
      .filter(({ folder }) => existsSync(`${folder}/model.onnx`)),
  )
}

/** Files that hold constants of the function in single precision: √2, a slope, 1 / √d. The reference values have them in double. */
const rounded = ['custom/gelu_mlp', 'custom/transformer_2head', 'mlp/selu_ce_mean']

/** The relative tolerance for a network, if it is `rtol` where its file says the same as the reference values' function. */
export function toleranceOf(name: string, rtol: number): number {
  return rounded.includes(name) ? Math.max(rtol, 2e-6) : rtol
}

/** How far one result is off, in units of the tolerance. */
export interface Deviation {
  readonly quantity: string
  readonly of: string
  readonly worst: number
}

/** Runs the command for one network and all quantities that it has reference values for. */
export async function compareThroughCommand(
  folder: string,
  engine: string,
  rtol: number,
): Promise<Deviation[]> {
  const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as Golden
  const asked = Object.keys(golden.quantities).filter((name) => names[name] !== undefined)
  const terminal = listeningTerminal()
  const status = await runCommand(
    [
      ...['quantities', `${folder}/model.onnx`],
      ...['--input', `${folder}/golden.json:input`, '--target', `${folder}/golden.json:target`],
      ...['--loss', losses[golden.loss.type]!, '--reduction', golden.loss.reduction],
      ...['--quantities', asked.map((name) => names[name]!).join(',')],
      ...['--kronecker-mode', 'backpack', '--engine', engine, '--json'],
    ],
    terminal,
  )
  if (status !== 0) throw new Error(`${folder}: exit status ${status}: ${terminal.complaints.join('; ')}`)
  const found = JSON.parse(terminal.printed.join('\n')) as QuantitiesDocument
  const deviations: Deviation[] = [
    {
      quantity: 'loss',
      of: '',
      worst: worstOf(
        { shape: [], data: [found.loss as number] },
        { shape: [], data: [golden.loss_value] },
        // The fixtures have nine digits.
        Math.max(rtol, 1e-8),
      ),
    },
    { quantity: 'output', of: '', worst: worstOf(found.output as Values, golden.output, rtol) },
  ]
  for (const quantity of asked) {
    const results = found.quantities[names[quantity]!] as
      Record<string, Values | readonly Values[]> | undefined
    for (const [parameter, expected] of Object.entries(golden.quantities[quantity]!)) {
      const result = results?.[parameter]
      const given =
        quantity === 'sqrt_ggn_exact_gram' && result !== undefined ? gram(result as Values) : result
      const parts = listOf(expected)
      const own = given === undefined ? [] : listOf(given)
      const worst = parts.map((part, i) => (own[i] === undefined ? Infinity : worstOf(own[i], part, rtol)))
      deviations.push({
        quantity: names[quantity]!,
        of: parameter,
        worst: own.length === parts.length ? Math.max(...worst) : Infinity,
      })
    }
  }
  return deviations
}

const listOf = (value: Values | readonly Values[]): readonly Values[] =>
  Array.isArray(value) ? (value as readonly Values[]) : [value as Values]

/** V Vᵀ from the columns V [C, N, ...p]: it does not depend on their order and signs. */
function gram({ shape, data }: Values): Values {
  const size = shape.slice(2).reduce((product, axis) => product * axis, 1)
  const product = Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size]
    let sum = 0
    for (let row = 0; row < data.length; row += size) sum += data[row + i]! * data[row + j]!
    return sum
  })
  return { shape: [size, size], data: product }
}

/** Largest deviation, in units of the tolerance; infinite for a wrong shape or NaN. */
function worstOf({ shape, data }: Values, expected: Values, rtol: number): number {
  if (JSON.stringify(shape) !== JSON.stringify(expected.shape) || data.length !== expected.data.length)
    return Infinity
  const scale = Math.max(0, ...expected.data.map(Math.abs))
  // What is zero in theory, such as a key's bias in attention, is rounding noise on both sides.
  const noise = rtol < 1e-6 ? 1e-12 : 1e-7
  return expected.data.reduce((most, value, i) => {
    const deviation = Math.abs(data[i]! - value)
    const tolerance = rtol * Math.abs(value) + rtol * 1e-2 * scale + noise
    return Number.isNaN(deviation) ? Infinity : Math.max(most, deviation / tolerance)
  }, 0)
}
