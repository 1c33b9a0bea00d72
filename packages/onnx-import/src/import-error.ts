/** @file What is wrong with a model that can't be imported: all of it, in one error. */
import { BeyondgradError } from '@beyondgrad/tensor'

export interface ImportProblem {
  /**
   * `file`: not an ONNX file, or a damaged one. `tensor`: data that can't be read. `graph`: names, order or types that are no
   * graph. `operator`: an operator that is not known in this version, or not with these attributes. `opset`: no known version.
   */
  readonly kind: 'file' | 'tensor' | 'graph' | 'operator' | 'opset'
  readonly message: string
  readonly node?: string | undefined
  readonly operator?: string | undefined
  readonly domain?: string | undefined
  readonly opset?: number | undefined
  readonly tensor?: string | undefined
}

/** A model can't be imported. `problems` lists everything that stands in the way; the message sums it up. */
export class OnnxImportError extends BeyondgradError {
  readonly problems: readonly ImportProblem[]
  constructor(file: string, problems: readonly ImportProblem[], options?: ErrorOptions) {
    const onlyUnsupported = problems.every(({ kind }) => kind === 'operator' || kind === 'opset')
    super(onlyUnsupported ? 'unsupported' : 'data', summary(file, problems), options)
    this.name = 'OnnxImportError'
    this.problems = problems
  }
}

/** More nodes of one operator are counted, not named. */
const named = 3
/** More problems that are not about operators are counted, not told. */
const told = 10

function summary(file: string, problems: readonly ImportProblem[]): string {
  const groups = new Map<string, ImportProblem[]>()
  const others: string[] = []
  for (const problem of problems) {
    if (problem.operator === undefined) {
      others.push(problem.message)
      continue
    }
    const group = `${problem.domain ?? ''}\n${problem.operator}\n${problem.message}`
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [problem])
    else members.push(problem)
  }
  const operators = [...groups.values()].map((group) => {
    const [{ operator, domain, opset, message }] = group as [ImportProblem]
    const nodes = group.slice(0, named).map(({ node }) => `"${node ?? ''}"`)
    const more = group.length > named ? ` and ${group.length - named} more` : ''
    const of = domain === '' || domain === undefined ? '' : `${domain}.`
    return `${of}${operator} of opset ${opset ?? '?'} (${group.length} ${group.length === 1 ? 'node' : 'nodes'}: ${nodes.join(', ')}${more}) ${message}`
  })
  const parts = [...others.slice(0, told), ...operators]
  if (others.length > told) parts.push(`${others.length - told} more problems`)
  const advice =
    operators.length > 0
      ? '; give the operators with the option operators, or export the model with another opset or without them'
      : ''
  return `importOnnx: ${file} can't be imported: ${parts.join('; ')}${advice}`
}

/** The message of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
