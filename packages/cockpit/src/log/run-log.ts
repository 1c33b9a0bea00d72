/** @file Writes a run line by line: the header with the first step, and each step once it is whole. */
import type { LogSink } from './log-sink.ts'
import { formatLine, type LoggedValue, type RunHeader, type StepLine } from './run-line.ts'

export interface RunLog {
  /** Seconds since the run began. */
  time(): number
  /** Writes the header, unless the log has one. */
  begin(header: Omit<RunHeader, 'kind' | 'version' | 'started'>): void
  step(line: Omit<StepLine, 'kind'>): void
  /** Keeps a step that the next one completes. */
  wait(line: Omit<StepLine, 'kind'>): void
  /** Before the header, it waits for that: whoever reads the log must know the run first. Without a step there is no run, and no note of it. */
  note(step: number, values: Readonly<Record<string, LoggedValue>>): void
  close(): void
}

export function runLog(sink: LogSink): RunLog {
  const { before } = sink
  const begun = performance.now() - 1000 * (before?.steps.at(-1)?.time ?? 0)
  let hasHeader = before?.header !== undefined
  const early: string[] = []
  const time = (): number => (performance.now() - begun) / 1000
  return {
    time,
    begin: (header) => {
      if (hasHeader) return
      hasHeader = true
      const started = new Date().toISOString()
      sink.append(formatLine({ kind: 'header', version: 1, started, ...header } as RunHeader))
      for (const note of early.splice(0)) sink.append(note)
    },
    step: (line) => sink.append(formatLine({ kind: 'step', ...line })),
    wait: (line) => sink.wait(formatLine({ kind: 'step', ...line })),
    note: (step, values) => {
      const line = formatLine({ kind: 'note', step, time: time(), values })
      if (hasHeader) sink.append(line)
      else early.push(line)
    },
    close: () => sink.close(),
  }
}
