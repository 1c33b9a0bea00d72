/** @file Documents as JSON, with the names of numbers that JSON lacks: "NaN", "Infinity", "-Infinity". */

export const jsonText = (document: unknown): string =>
  JSON.stringify(document, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  )
