/** @file How gauges look on a page, on light and on dark ground. A page may set the custom properties itself. */

export const cockpitStyle: string = `
.cockpit { --ink: var(--cockpit-ink, #1c2024); --ground: var(--cockpit-ground, #ffffff); --soft: var(--cockpit-soft, #667080);
  color: var(--ink); background: var(--ground); font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
@media (prefers-color-scheme: dark) {
  .cockpit { --ink: var(--cockpit-ink, #e3e6ea); --ground: var(--cockpit-ground, #16191d); --soft: var(--cockpit-soft, #98a2b0); }
  .cockpit [aria-label="dot"]:not([fill-opacity="0"]) circle { stroke: #e3e6ea66; stroke-width: .5; }
}
.cockpit .runs { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 14px; padding: 0; list-style: none; }
.cockpit .sections, .cockpit .gauges { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 22px 24px; align-items: start; }
.cockpit section.row { grid-column: 1 / -1; }
.cockpit section.column .gauges { grid-template-columns: minmax(0, 1fr); }
.cockpit .sections section > h2 { margin: 0 0 10px; padding-top: 5px; border-top: 3px solid; border-radius: 1.5px; font-size: 11.5px; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; }
.cockpit figure { margin: 0; min-width: 0; }
.cockpit figure svg { display: block; width: 100%; height: auto; }
.cockpit .columns-2 { grid-column: span 2; }
.cockpit .columns-3 { grid-column: 1 / -1; }
@media (max-width: 900px) {
  .cockpit .sections, .cockpit .gauges { grid-template-columns: minmax(0, 1fr); }
  .cockpit .columns-2, .cockpit .columns-3 { grid-column: auto; overflow-x: auto; }
  .cockpit .columns-2 svg { min-width: 640px; }
  .cockpit .columns-3 svg { min-width: 860px; }
}
@media print { .cockpit section, .cockpit figure { break-inside: avoid; } }
`

/** Of a page that is nothing but a report. */
export const reportStyle: string = `
body { margin: 0; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { background: #16191d; } }
.report { max-width: 1360px; margin: 0 auto; padding: 28px 28px 60px; }
.report .cockpit { padding: 0; }
.report h1 { margin: 0 0 14px; font-size: 22px; font-weight: 650; overflow-wrap: anywhere; }
.report h2 { margin: 0 0 8px; font-size: 15px; font-weight: 600; }
.report .facts > div { flex: 0 1 auto; }
.report .facts > :only-child { flex: 1; }
.report .facts { display: flex; flex-wrap: wrap; gap: 16px 48px; margin-bottom: 26px; }
.report dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 1px 14px; margin: 0; font-size: 13px; }
.report .facts > :only-child dl { grid-template-columns: repeat(3, max-content minmax(0, 1fr)); column-gap: 14px; width: 100%; }
@media (max-width: 900px) { .report .facts > :only-child dl { grid-template-columns: max-content minmax(0, 1fr); } }
.report dt { color: var(--soft); }
.report dd { margin: 0; overflow-wrap: anywhere; }
.report .findings-of { margin-bottom: 26px; }
.report .findings { margin: 0; padding: 0; list-style: none; }
.report .findings li { padding: 2px 0 2px 14px; margin-bottom: 12px; border-left: 3px solid #8a8f98; }
.report .findings li.warning { border-color: #e0812b; }
.report .findings li.error { border-color: #d1495b; }
.report .findings p { margin: 0; max-width: 90ch; }
.report .findings small, .report .none { color: var(--soft); font-size: 12px; }
.report .severity { float: right; margin-left: 12px; color: var(--soft); font-size: 11px; letter-spacing: .06em; text-transform: uppercase; }
.report .absent { margin-top: 34px; }
.report table { border-collapse: collapse; font-size: 13px; }
.report th, .report td { padding: 4px 22px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid color-mix(in srgb, var(--soft) 30%, transparent); }
.report th { color: var(--soft); font-weight: 500; }
`
