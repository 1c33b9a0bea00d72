/** @file How numbers and lists are said in a sentence. */

/** Two or three digits, as a person would say them. */
export function said(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size >= 1e7 || (size < 0.001 && size > 0)) return value.toExponential(1)
  if (size >= 1000) return String(Number(value.toPrecision(2))).replace(/\B(?=(\d{3})+$)/g, ',')
  if (size >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(size >= 1 ? 3 : 2)))
}

/** A share as per cent. */
export function percent(part: number): string {
  const value = 100 * part
  return `${value >= 99.5 && value < 100 ? value.toFixed(1) : said(value >= 1 ? Math.round(value) : value)} %`
}

/** The first few of a list by name. */
export function listed(names: readonly (string | number)[], most = 3): string {
  if (names.length <= most + 1) {
    return names.length < 2
      ? String(names[0] ?? '')
      : `${names.slice(0, -1).join(', ')} and ${String(names.at(-1))}`
  }
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}
