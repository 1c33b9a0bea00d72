/** @file The picture of a run: its gauges as plain data, and these as SVG, as a page of their own, or live in a page. */
export { type AxisScale, labelsFor, type PanelScales, scalesOf, told } from './report/axis-scale.ts'
export {
  type Dashboard,
  dashboard,
  type DashboardGauge,
  type DashboardOptions,
  type DashboardSection,
} from './report/dashboard.ts'
export {
  type GaugePictureOptions,
  type PlotPictureOptions,
  renderDashboard,
  renderGauge,
  renderPlot,
} from './report/drawing/figure.ts'
export type { Size } from './report/drawing/panel.ts'
export { type DocumentOption, svgText } from './report/drawing/svg.ts'
export { type ReportOptions, reportHtml } from './report/html.ts'
export { mountCockpit, type MountedCockpit, type MountOptions } from './report/live.ts'
export { type Absence, absencesOf, type Fact, factsOf } from './report/run-facts.ts'
export type {
  AreaMark,
  BarMark,
  CellMark,
  CurveMark,
  EdgeMark,
  Gauge,
  PlacedPanel,
  Plot,
  PlotAxis,
  PlotMark,
  PlotPanel,
  ShapeMark,
  TextMark,
  Tone,
} from './report/plot.ts'
