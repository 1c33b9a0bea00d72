/**
 * @file Parameters that hold the same matrix, as it is or transposed: exporters write a tied weight twice when one use needs it
 * transposed. In the file they are two, and training takes them apart, which is worth knowing.
 */
import type { StoredConstant } from './graph.ts'

/** A note for each pair. */
export function notesOnCopies(
  constants: ReadonlyMap<string, StoredConstant>,
  parameters: { readonly has: (name: string) => boolean },
): string[] {
  const matrices = [...constants.values()].filter(
    ({ name, shape, data }) =>
      parameters.has(name) && shape.length === 2 && !isConstant(data as ArrayLike<number>),
  )
  return [...grouped(matrices).values()].flatMap((group) =>
    group.flatMap((a, i) =>
      group.slice(i + 1).flatMap((b) => {
        if (isTransposed(a, b)) return [note(a, b, 'the transpose of')]
        return isSame(a, b) ? [note(a, b, 'equal to')] : []
      }),
    ),
  )
}

const key = (shape: readonly number[]): string => [...shape].sort((a, b) => a - b).join()

function grouped(matrices: readonly StoredConstant[]): Map<string, StoredConstant[]> {
  const groups = new Map<string, StoredConstant[]>()
  for (const each of matrices) {
    const group = groups.get(key(each.shape))
    if (group === undefined) groups.set(key(each.shape), [each])
    else group.push(each)
  }
  return groups
}

function note(a: StoredConstant, b: StoredConstant, how: string): string {
  return `"${b.name}" is ${how} "${a.name}", as a tied weight that the export has written twice; they are two parameters`
}

/** A matrix of one number, as fresh weights and embeddings of nothing may be, is like every other one. */
function isConstant(data: ArrayLike<number>): boolean {
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return false
  return true
}

function isTransposed(a: StoredConstant, b: StoredConstant): boolean {
  const [rows, columns] = a.shape as [number, number]
  if (b.shape[0] !== columns || b.shape[1] !== rows) return false
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) if (a.data[i * columns + j] !== b.data[j * rows + i]) return false
  return true
}

function isSame(a: StoredConstant, b: StoredConstant): boolean {
  return (
    a.shape[0] === b.shape[0] && a.shape[1] === b.shape[1] && a.data.every((value, i) => value === b.data[i])
  )
}
