/** @file Digits as text: two rows of pixels a line, in half blocks of five brightnesses. */

const shades = ' ░▒▓█'

/** Lines of one grey image of `size` × `size` pixels in 0 … 1, at half resolution. */
export function digitPicture(pixels: Float32Array, size = 28): string[] {
  const lines: string[] = []
  for (let y = 0; y < size; y += 2) {
    let line = ''
    for (let x = 0; x < size; x++) {
      const brightness = ((pixels[y * size + x] ?? 0) + (pixels[(y + 1) * size + x] ?? 0)) / 2
      line += shades[Math.min(shades.length - 1, Math.round(brightness * (shades.length - 1)))]!
    }
    lines.push(line)
  }
  return lines
}

/** Pictures beside each other, each under its caption. */
export function sideBySide(pictures: readonly { caption: string; lines: readonly string[] }[]): string {
  const width =
    Math.max(...pictures.flatMap(({ caption, lines }) => [caption, ...lines].map((l) => l.length))) + 4
  const height = Math.max(...pictures.map(({ lines }) => lines.length))
  const rows = [pictures.map(({ caption }) => caption.padEnd(width)).join('')]
  for (let i = 0; i < height; i++)
    rows.push(pictures.map(({ lines }) => (lines[i] ?? '').padEnd(width)).join(''))
  return rows.map((row) => row.trimEnd()).join('\n')
}
