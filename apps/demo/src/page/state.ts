/** @file What the page shows. */
import type { Finding, Run } from '@beyondgrad/cockpit'
import type { Settings } from '../settings.ts'
import type { Accuracy, Progress, Rest, ShownDigit } from '../training/messages.ts'

export type Phase = 'loading' | 'running' | 'failed' | Rest

export interface PageState {
  /** As the controls say. */
  readonly settings: Settings
  /** Those that the network was made with. */
  readonly opened: Settings
  readonly phase: Phase
  /** What went wrong, where the phase is `failed`. */
  readonly failure: string | undefined
  readonly progress: Progress | undefined
  readonly accuracy: Accuracy | undefined
  readonly findings: readonly Finding[]
  readonly batch: readonly ShownDigit[]
  /** Digits that the diagnosis names. */
  readonly named: readonly ShownDigit[]
  readonly run: Run | undefined
  /** The run before this one, and what its settings were. */
  readonly previous: { readonly run: Run; readonly settings: Settings } | undefined
}

/** What somebody did on the page. */
export interface Actions {
  /** Trains, or goes on; with a new network, if the settings ask for one. */
  start(): void
  pause(): void
  step(): void
  reset(): void
  change(settings: Partial<Settings>): void
  saveLog(): void
  saveReport(): void
}
