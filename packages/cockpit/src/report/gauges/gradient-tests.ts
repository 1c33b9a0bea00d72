/**
 * @file The gradient tests gauge: around the end of the mean gradient, how far the samples' gradients spread in any direction, along it and
 * across it; and how each test came about.
 */
import { gauge, type GaugeContext, type GaugeOf, lacking, seriesOfRuns, toneOf } from '../gauge.ts'
import type { PlacedPanel, PlotAxis, PlotMark, PlotPanel, Tone } from '../plot.ts'
import { isKnown, type NamedRun, quantity } from '../series.ts'
import { stepAxis, timePanel } from '../time-panel.ts'

const end = 2
const tests = [
  { quantity: 'NormTest', name: 'norm', tone: 'blue' },
  { quantity: 'InnerTest', name: 'inner', tone: 'orange' },
  { quantity: 'OrthoTest', name: 'ortho', tone: 'green' },
] as const
const names = tests.map(({ quantity }) => quantity)

export const gradientTestsGauge: GaugeOf = (context) =>
  gauge(
    {
      name: 'gradient-tests',
      title: 'Gradient tests',
      description:
        'How far the gradients of samples spread around their mean: in any direction (norm), along it (inner), across it (ortho). More than 1 says that the batch is too noisy for its size.',
    },
    context,
    (run) => (lacking(...names)(run).length === names.length ? lacking(...names)(run) : []),
    (having) => [
      { panel: planeOf(context, having), left: 0, top: 0, width: 0.5, height: 1 },
      ...tests.map(({ quantity: of, name }, i): PlacedPanel => ({
        panel: historyOf(context, having, of, name),
        left: 0.5,
        top: i / 3,
        width: 0.5,
        height: 1 / 3,
      })),
    ],
  )

function historyOf(context: GaugeContext, having: readonly NamedRun[], of: string, name: string): PlotPanel {
  return timePanel({
    title: `${name} test`,
    // That these are steps is said below every other gauge, and there is no room.
    x: { ...stepAxis(context.steps), label: '' },
    y: { label: '', scale: 'log' },
    series: seriesOfRuns(context, having, '', ({ run }) => quantity(run, of)).map((one) => ({
      ...one,
      name: '',
    })),
  })
}

function planeOf(context: GaugeContext, having: readonly NamedRun[]): PlotPanel {
  const axis = (label: string): PlotAxis => ({
    label,
    scale: 'symlog',
    linearWithin: 0.1,
    range: [-end, end],
    ticks: [-1, -0.1, 0.1, 1],
  })
  const marks = having.flatMap((run) => latest(run, toneOf(context, run)))
  return {
    title: 'Gradient tests, latest',
    x: axis('across'),
    y: axis('along the mean gradient'),
    marks: [...marks, { mark: 'text', name: '', x: [0], y: [0], text: ['+'], tone: 'ink' }],
  }
}

/** The disc of the norm test, and bands of the others; of several runs outlines in their colours. */
function latest(run: NamedRun, tone: Tone | undefined): PlotMark[] {
  return tests.flatMap(({ quantity: of, name, tone: own }): PlotMark[] => {
    const numbers = quantity(run.run, of)
    const value = numbers.values.at(-1)
    if (value === undefined || !isKnown(numbers)) return []
    const shape = shapeOf(name, Math.min(value, end))
    const label = `${name} ${value.toPrecision(3)}`
    if (tone === undefined)
      return [{ mark: 'shape', name: label, ...shape, tone: own, opacity: name === 'norm' ? 0.35 : 0.25 }]
    const isFirst = name === 'norm'
    return [{ mark: 'shape', name: isFirst ? run.name : '', ...shape, tone, opacity: isFirst ? 0.25 : 0.12 }]
  })
}

function shapeOf(name: string, r: number): { x: (number | null)[]; y: (number | null)[] } {
  if (name === 'norm') {
    const angles = Array.from({ length: 96 }, (_, i) => (2 * Math.PI * i) / 96)
    return { x: angles.map((a) => r * Math.cos(a)), y: angles.map((a) => r * Math.sin(a)) }
  }
  const [across, along] = [
    [-end, end, end, -end],
    [-r, -r, r, r],
  ]
  // Inner is a horizontal band, ortho a vertical one.
  return name === 'inner' ? { x: across, y: along } : { x: along, y: across }
}
