/** @file Lines of text in a terminal: broken at spaces, and blocks of them beside each other. */
import { stripVTControlCharacters } from 'node:util'

/** At spaces, into lines of at most so many characters. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Parts with dots between them, each on one line if it is not longer than that. */
export function wrappedBetween(parts: readonly string[], columns: number): string[] {
  return parts
    .flatMap((part) => wrapped(part, columns))
    .reduce<string[]>((lines, part) => {
      const last = lines.at(-1)
      if (last === undefined || last.length + 3 + part.length > columns) return [...lines, part]
      return [...lines.slice(0, -1), `${last} · ${part}`]
    }, [])
}

/** Blocks of lines in columns of one width, their tops at one height. */
export function beside(blocks: readonly (readonly string[])[], width: number, gap: number): string[] {
  const rows = Math.max(0, ...blocks.map((block) => block.length))
  return Array.from({ length: rows }, (_, row) =>
    blocks
      .map((block) => {
        const line = block[row] ?? ''
        return line + ' '.repeat(Math.max(0, width - stripVTControlCharacters(line).length))
      })
      .join(' '.repeat(gap))
      .trimEnd(),
  )
}
