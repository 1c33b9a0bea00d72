/** @file How gauges look on a page, on light and on dark ground. A page may set the custom properties itself. */

export const cockpitStyle: string = `
.cockpit { --ink: var(--cockpit-ink, #1c2024); --ground: var(--cockpit-ground, #ffffff); --soft: var(--cockpit-soft, #667080);
  color: var(--ink); background: var(--ground); font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
@media (prefers-color-scheme: dark) {
  .cockpit { --ink: var(--cockpit-ink, #e3e6ea); --ground: var(--cockpit-ground, #16191d); --soft: var(--cockpit-soft, #98a2b0); }
  .cockpit [aria-label="dot"] circle { stroke: #e3e6ea66; stroke-width: .5; }
}
.cockpit .runs { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 14px; padding: 0; list-style: none; }
.cockpit .sections, .cockpit .gauges { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 22px 24px; align-items: start; }
.cockpit section.row { grid-column: 1 / -1; }
.cockpit section.column .gauges { grid-template-columns: minmax(0, 1fr); }
.cockpit section > h2 { margin: 0 0 10px; padding-top: 5px; border-top: 3px solid; border-radius: 1.5px; font-size: 11.5px; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; }
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
