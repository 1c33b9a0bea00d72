/** @file What a run is told, and how an address says it: `?lr=0.1&batch=64&sabotage=labels`. */

/** The choices that there are, by the names that addresses use; the first is what is taken where nothing is said. */
export const choices: {
  readonly model: readonly ['mlp', 'conv']
  readonly optimizer: readonly ['adam', 'sgd', 'momentum']
  readonly instruments: readonly ['economy', 'business', 'full']
  readonly engine: readonly ['tfjs', 'onnxruntime']
} = {
  model: ['mlp', 'conv'],
  optimizer: ['adam', 'sgd', 'momentum'],
  instruments: ['economy', 'business', 'full'],
  engine: ['tfjs', 'onnxruntime'],
}

/** What can be spoiled on purpose. */
export const sabotages: readonly ['rate', 'raw', 'labels', 'sigmoid', 'zeros'] = [
  'rate',
  'raw',
  'labels',
  'sigmoid',
  'zeros',
]

export type Choice = keyof typeof choices
export type Sabotage = (typeof sabotages)[number]

export type Settings = { readonly [C in Choice]: (typeof choices)[C][number] } & {
  /** Before `sabotage` makes it larger. */
  readonly learningRate: number
  readonly batchSize: number
  /** Steps between two that are tracked. */
  readonly every: number
  /** Steps of a run, after which it rests. */
  readonly steps: number
  /** Steps a second, at most; the largest number means as many as there can be. */
  readonly pace: number
  /** Determines the first weights, the order of the digits and the wrong labels. */
  readonly seed: number
  readonly sabotage: ReadonlySet<Sabotage>
}

export interface Range {
  readonly key: string
  readonly least: number
  readonly most: number
  readonly initial: number
  readonly whole: boolean
}

/** The numbers among the settings: their names in addresses, and what they may be. */
export const ranges: Readonly<
  Record<'learningRate' | 'batchSize' | 'every' | 'steps' | 'pace' | 'seed', Range>
> = {
  learningRate: { key: 'lr', least: 0.00001, most: 10, initial: 0.001, whole: false },
  batchSize: { key: 'batch', least: 2, most: 512, initial: 64, whole: true },
  every: { key: 'every', least: 1, most: 100, initial: 10, whole: true },
  steps: { key: 'steps', least: 1, most: 20_000, initial: 600, whole: true },
  pace: { key: 'pace', least: 1, most: 1000, initial: 60, whole: true },
  seed: { key: 'seed', least: 0, most: 999_999, initial: 1, whole: true },
}

export type NumberSetting = keyof typeof ranges

/** A rate at which each optimiser does well. */
export const usualRate: Readonly<Record<Settings['optimizer'], number>> = {
  sgd: 0.1,
  momentum: 0.03,
  adam: 0.001,
}

/** The lighter engine where it is quick enough, else the quicker one; see the README. */
export const usualEngine: Readonly<Record<Settings['model'], Settings['engine']>> = {
  mlp: 'tfjs',
  conv: 'onnxruntime',
}

/** How much too large the sabotaged rate is. */
const spoiledRateFactor = 300

/** The rate that the optimiser gets. */
export function rateOf({ learningRate, sabotage }: Pick<Settings, 'learningRate' | 'sabotage'>): number {
  return sabotage.has('rate') ? learningRate * spoiledRateFactor : learningRate
}

/** A number that the setting may have: the nearest one, or the initial one of what is no number. */
export function within(setting: NumberSetting, value: number): number {
  const { least, most, initial, whole } = ranges[setting]
  if (!Number.isFinite(value)) return initial
  const held = Math.min(most, Math.max(least, value))
  return whole ? Math.round(held) : held
}

/** The settings of an address's query. What it does not say, or says wrongly, is as usual. */
export function settingsFrom(query: string): Settings {
  const parameters = new URLSearchParams(query)
  const chosen = <C extends Choice>(choice: C): Settings[C] => {
    const said = parameters.get(choice)
    const list: readonly string[] = choices[choice]
    return (said !== null && list.includes(said) ? said : list[0]) as Settings[C]
  }
  const number = (setting: NumberSetting): number => {
    const said = parameters.get(ranges[setting].key)
    return said === null || said.trim() === '' ? ranges[setting].initial : within(setting, Number(said))
  }
  const optimizer = chosen('optimizer')
  const model = chosen('model')
  const spoiled = (parameters.get('sabotage') ?? '').split(',')
  return {
    model,
    optimizer,
    instruments: chosen('instruments'),
    engine: parameters.has('engine') ? chosen('engine') : usualEngine[model],
    learningRate: parameters.has('lr') ? number('learningRate') : usualRate[optimizer],
    batchSize: number('batchSize'),
    every: number('every'),
    steps: number('steps'),
    pace: number('pace'),
    seed: number('seed'),
    sabotage: new Set(sabotages.filter((name) => spoiled.includes(name))),
  }
}

/** The query that says these settings, as short as it can be; empty where all is as usual. */
export function queryOf(settings: Settings): string {
  const parameters = new URLSearchParams()
  for (const choice of Object.keys(choices) as Choice[]) {
    const usual = choice === 'engine' ? usualEngine[settings.model] : choices[choice][0]
    if (settings[choice] !== usual) parameters.set(choice, settings[choice])
  }
  for (const setting of Object.keys(ranges) as NumberSetting[]) {
    const usual = setting === 'learningRate' ? usualRate[settings.optimizer] : ranges[setting].initial
    if (settings[setting] !== usual) parameters.set(ranges[setting].key, String(settings[setting]))
  }
  if (settings.sabotage.size > 0) parameters.set('sabotage', [...settings.sabotage].join(','))
  const query = parameters.toString().replaceAll('%2C', ',')
  return query === '' ? '' : `?${query}`
}

/** Whether a change only counts for the next run. The learning rate, the pace and what is tracked when are taken at once. */
export function needsRestart(now: Settings, next: Settings): boolean {
  const spoiled = (settings: Settings): string =>
    [...settings.sabotage].filter((name) => name !== 'rate').join()
  return (
    (Object.keys(choices) as Choice[]).some((choice) => now[choice] !== next[choice]) ||
    now.batchSize !== next.batchSize ||
    now.seed !== next.seed ||
    spoiled(now) !== spoiled(next)
  )
}
