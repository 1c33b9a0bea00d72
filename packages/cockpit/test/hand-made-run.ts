/** @file Runs made by hand for the diagnosis, and the names of the rules that speak. */
import { diagnose, type LoggedValue, type Run } from '../src/index.ts'

/** A run whose step s has these quantities. */
export function runOf(
  count: number,
  of: (step: number) => Readonly<Record<string, LoggedValue>>,
  parameters: readonly { readonly name: string; readonly shape: readonly number[] }[] = [],
): Run {
  return {
    header: { kind: 'header', version: 1, started: '', parameters, quantities: [] },
    steps: Array.from({ length: count }, (_, step) => ({
      kind: 'step',
      step,
      time: step,
      quantities: of(step),
      learningRate: 0.1,
    })),
    notes: [],
  }
}

/** Rules that speak, the worst first. */
export const names = (run: Run): string[] => diagnose(run).map(({ rule }) => rule)

/** Noise that no seed decides about. */
export const wave = (step: number, size = 0.1): number => size * Math.sin(7.3 * step)
