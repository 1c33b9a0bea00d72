/** @file Rules as a document tells of them, from their own fields. */
import type { Rule } from '../../src/index.ts'

/** A section of Markdown, in one line a paragraph. */
export function textOf(rule: Rule): string {
  const thresholds = Object.entries(rule.thresholds).map(([name, value]) => `\`${name}\` ${value}`)
  return [
    `### \`${rule.name}\``,
    `${rule.says} Looks at ${rule.looksAt.map((what) => (/^\w+$/.test(what) ? `\`${what}\`` : what)).join(', ')}.`,
    `- Thresholds: ${thresholds.join(', ')}. ${rule.because}`,
    `- Limits: ${rule.limits}`,
    `- Source: ${rule.source}.`,
  ].join('\n\n')
}

/** What stands between these in the document is made by `npm run diagnosis-doc`. */
export const marks = ['<!-- rules: written by npm run diagnosis-doc -->', '<!-- end of rules -->'] as const
