/** @file Runs to look at: trained here, and made by hand where training does not go. */
import { crossEntropy } from '@beyondgrad/autograd'
import { Linear, Sequential, SGD, Tanh, trainStep } from '@beyondgrad/nn'
import { intTensor, referenceEngine, tensor } from '@beyondgrad/tensor'
import {
  CABS,
  EarlyStopping,
  full,
  GradHist2d,
  type LoggedValue,
  MeanGSNR,
  openCockpit,
  type Run,
  RunReader,
  type StepLine,
  TICTrace,
} from '../../src/index.ts'

/** Every instrument, over eight steps of a small network; the text of its log and the run. */
export async function trainedRun(learningRate = 0.1): Promise<{ readonly text: string; readonly run: Run }> {
  const lines: string[] = []
  const cockpit = await openCockpit({
    log: { append: (line) => void lines.push(line), wait: () => undefined, close: () => undefined },
    instruments: [
      ...full().filter(({ name }) => name !== 'GradHist2d'),
      GradHist2d({ perParameter: true }),
      TICTrace(),
      MeanGSNR(),
      CABS(),
      EarlyStopping(),
    ],
    header: { model: 'small', optimizer: { name: 'sgd', lr: learningRate }, engine: 'reference' },
  })
  const model = Sequential(Linear(3, 4, { seed: 1 }), Tanh(), Linear(4, 2, { seed: 2 }))
  const inputs = tensor([
    [0.1, 0.2, 0.7],
    [0.9, 0.4, 0.3],
    [0.5, 0.8, 0.1],
  ])
  const optimizer = SGD(model.parameters, { learningRate })
  const train = trainStep({
    model,
    loss: crossEntropy,
    optimizer,
    engine: referenceEngine(),
    observers: [cockpit],
  })
  for (let step = 0; step < 8; step++) {
    await train({ inputs, targets: intTensor([0, 1, 1]) })
    if (step % 4 === 3)
      cockpit.note(step, { train_accuracy: step / 8, valid_accuracy: step / 10, valid_loss: 0.5 })
  }
  await cockpit.close()
  const reader = new RunReader()
  for (const line of lines) reader.push(line)
  return { text: lines.join(''), run: reader.run }
}

/** A run with these quantities at steps 0, 1, … */
export function madeRun(
  values: Readonly<Record<string, readonly LoggedValue[]>>,
  more: Partial<Pick<StepLine, 'absent' | 'learningRate'>> = {},
): Run {
  const count = Math.max(0, ...Object.values(values).map((list) => list.length))
  return {
    header: {
      kind: 'header',
      version: 1,
      started: '2026-01-01T00:00:00.000Z',
      parameters: [{ name: 'w', shape: [2] }],
      quantities: [...Object.keys(values), ...Object.keys(more.absent ?? {})],
    },
    steps: Array.from({ length: count }, (_, step) => ({
      kind: 'step',
      step,
      time: step,
      quantities: Object.fromEntries(
        Object.entries(values).flatMap(([name, list]) => (step < list.length ? [[name, list[step]!]] : [])),
      ),
      ...more,
    })),
    notes: [],
  }
}
