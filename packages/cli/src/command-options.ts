/** @file Options that several commands have, and what their values must be. */
import { Option } from 'commander'
import { UsageError } from './usage-error.ts'

/** A positive integer. */
export function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(`"${text}" is not a positive integer`)
  return value
}

/** A positive number. */
export function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`"${text}" is not a positive number`)
  return value
}

/** Zero, or a positive number. */
export function nonNegative(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && Number.isFinite(value)))
    throw new UsageError(`"${text}" is not a number from zero on`)
  return value
}

/** A seed: an integer from zero on. */
export function seed(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    throw new UsageError(`"${text}" is not an integer from zero on`)
  return value
}

const collect = (value: string, all: readonly string[] = []): readonly string[] => [...all, value]

/** An option that may be given several times. */
function repeated(flags: string, description: string): Option {
  return new Option(flags, `${description}; may be given several times`)
    .argParser(collect)
    .default([], 'none')
}

/** The files that the inputs of a model come from; at least one. */
export function inputOption(): Option {
  return new Option(
    '--input <[name=]file>',
    'the inputs, one or more: .npy, .npz, .json or .safetensors, with :key behind it where a file holds several arrays',
  )
    .argParser(collect)
    .makeOptionMandatory()
}

export function pluginOption(): Option {
  return repeated('--plugin <package|file>', 'a plugin: quantities, losses and operators of somebody else')
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON document, and nothing else')
}

export function engineOption(): Option {
  return new Option('--engine <name>', 'what computes')
    .choices(['auto', 'onnxruntime', 'tfjs', 'reference'])
    .default('auto')
}

export function lossOption(): Option {
  return new Option(
    '--loss <name>',
    'cross-entropy, mse, bce-with-logits, or one of a plugin',
  ).makeOptionMandatory()
}

export function reductionOption(): Option {
  return new Option('--reduction <how>', 'how the loss is made of its terms')
    .choices(['mean', 'sum'])
    .default('mean')
}

export function quantitiesOption(): Option {
  return new Option(
    '--quantities <list>',
    'names separated by commas, as gradient,variance,kfac',
  ).makeOptionMandatory()
}

export function outputOption(): Option {
  return new Option('--output <name>', 'the output that the loss looks at (default: the only one)')
}

export function kroneckerOption(): Option {
  return new Option(
    '--kronecker-mode <mode>',
    'what becomes of positions that share a weight, in kfac, kflr and kfra',
  )
    .choices(['expand', 'reduce', 'backpack'])
    .default('expand')
}

export function samplesOption(): Option {
  return new Option('--mc-samples <n>', 'columns that Monte-Carlo quantities draw for each sample')
    .argParser(count)
    .default(1)
}

export function shapeOption(): Option {
  return repeated('--shape <input=sizes>', 'sizes that the file does not say, as image=N,3,224,224')
}
