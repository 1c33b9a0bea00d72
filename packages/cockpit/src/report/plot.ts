/**
 * @file Plots as plain data that survive JSON: panels with axes and marks, which say what is to be seen and leave it to whoever draws them –
 * as SVG, on a page, in a terminal – how. Plots of `@beyondgrad/vivit` are of this form too.
 */

export interface PlotAxis {
  readonly label: string
  /** What numbers are in, such as 'loss'; left out for pure numbers. */
  readonly unit?: string
  /** 'symlog' is linear around zero and logarithmic beyond. */
  readonly scale: 'linear' | 'log' | 'symlog'
  /** Of 'symlog': how far from zero it is linear. Default: 1. */
  readonly linearWithin?: number
  /** Default: what holds all marks. */
  readonly range?: readonly [number, number]
  /** Where ticks are. Default: at round numbers. */
  readonly ticks?: readonly number[]
  /** Counts, as steps are: ticks at whole numbers only. */
  readonly integers?: boolean
  /** Names at 0, 1, … in place of numbers. */
  readonly names?: readonly string[]
  /** Without ticks and label; a label that is not empty keeps their place, so that panels side by side agree. */
  readonly hidden?: boolean
}

/** A colour by what it stands for. Numbers are runs, or lines among each other. */
export type Tone = 'blue' | 'orange' | 'green' | 'grey' | 'red' | 'ink' | number | { readonly depth: number }

interface Drawn {
  /** For the legend; an empty name has no place in it. */
  readonly name: string
  readonly tone?: Tone
  readonly opacity?: number
  /** Its heights belong to the panel's second axis. */
  readonly second?: boolean
}

/**
 * Values in order; null where there is nothing to show, which interrupts a line. A 'rule' goes all the way across: with `x` empty at one
 * height, with `y` empty at one place.
 */
export interface CurveMark extends Drawn {
  readonly mark: 'point' | 'line' | 'rule'
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
  /** Of points: coloured by their steps, from early to late. */
  readonly byStep?: boolean
  readonly symbol?: 'dot' | 'ring' | 'triangle'
  readonly dashed?: boolean
}

/** Between two heights at each place; `low` left out is the bottom. */
export interface AreaMark extends Drawn {
  readonly mark: 'area'
  readonly x: readonly number[]
  readonly y: readonly number[]
}

/** Bars from edge to edge: one edge more than lengths. 'outline' draws only where they end. */
export interface BarMark extends Drawn {
  readonly mark: 'bar' | 'outline'
  readonly edges: readonly number[]
  readonly lengths: readonly number[]
  /** Bars that lie, along the y axis. */
  readonly lying?: boolean
}

/** Rectangles, the stronger the more. */
export interface CellMark extends Drawn {
  readonly mark: 'cell'
  readonly x: readonly number[]
  readonly x2: readonly number[]
  readonly y: readonly number[]
  readonly y2: readonly number[]
  /** From 0 to 1. */
  readonly shade: readonly number[]
}

/** A closed shape. Ends that are null are those of the axis. */
export interface ShapeMark extends Drawn {
  readonly mark: 'shape'
  readonly x: readonly (number | null)[]
  readonly y: readonly (number | null)[]
}

export interface TextMark extends Drawn {
  readonly mark: 'text'
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly text: readonly string[]
  readonly anchor?: 'start' | 'middle' | 'end'
}

/** Signs at an edge of the panel, for what lies beyond it or is no number. */
export interface EdgeMark extends Drawn {
  readonly mark: 'edge'
  readonly edge: 'top' | 'bottom' | 'left' | 'right'
  /** Along the edge. */
  readonly at: readonly number[]
  /** What each stands for, such as 'NaN'. */
  readonly text: readonly string[]
}

export type PlotMark = CurveMark | AreaMark | BarMark | CellMark | ShapeMark | TextMark | EdgeMark

export interface PlotPanel {
  readonly title: string
  readonly x: PlotAxis
  readonly y: PlotAxis
  /** A second scale for heights, at the right. */
  readonly second?: PlotAxis
  readonly marks: readonly PlotMark[]
  /** What can't be seen, in words: values that an axis has no place for. */
  readonly note?: string
}

export interface Plot {
  readonly title: string
  readonly panels: readonly PlotPanel[]
}

/** A panel in its part of a gauge's area; all four are shares of it, from the upper left corner. */
export interface PlacedPanel {
  readonly panel: PlotPanel
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** An instrument: panels that belong together, or what is missing for it and why. */
export interface Gauge {
  readonly name: string
  readonly title: string
  /** What it shows, in a sentence, for those who can't see it or don't know it. */
  readonly description: string
  /** Empty where something is missing. */
  readonly panels: readonly PlacedPanel[]
  /** A sentence for each quantity. */
  readonly missing: readonly string[]
}
