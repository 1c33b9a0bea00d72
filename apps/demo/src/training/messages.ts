/** @file What the page and its worker tell each other. */
import type { Settings } from '../settings.ts'
import type { Costs } from './step-times.ts'

/** To the worker. One worker trains one network. */
export type Order =
  | { readonly kind: 'open'; readonly settings: Settings; readonly digits: string }
  /** Trains until so many steps are done. */
  | { readonly kind: 'run'; readonly until: number }
  | { readonly kind: 'pause' }
  /** Taken at once. */
  | { readonly kind: 'adjust'; readonly learningRate: number; readonly every: number; readonly pace: number }
  /** Asks for pictures of training digits, by their places in the data. */
  | { readonly kind: 'show'; readonly places: readonly number[] }

/** A digit of the training data. */
export interface ShownDigit {
  /** In the training data. */
  readonly place: number
  /** 28 × 28 grey values. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>
  readonly label: number
  /** What the network takes it for. */
  readonly predicted: number
  /** What it is, where its label was spoiled. */
  readonly truth: number
}

/** How far a training is. */
export interface Progress {
  /** Steps done. */
  readonly steps: number
  /** Of the last batch. */
  readonly loss: number
  /** A moving average. */
  readonly smoothLoss: number
  /** Steps in a second, all that is done meanwhile included. */
  readonly stepsPerSecond: number | undefined
  readonly costs: Costs
}

export interface Accuracy {
  readonly steps: number
  /** On training digits and on others, from 0 to 1. */
  readonly train: number
  readonly test: number
}

/** Why a training rests. */
export type Rest = 'ready' | 'paused' | 'finished' | 'diverged'

/** From the worker. */
export type Report =
  | { readonly kind: 'running' }
  | { readonly kind: 'resting'; readonly why: Rest }
  | ({ readonly kind: 'progress' } & Progress)
  | ({ readonly kind: 'accuracy' } & Accuracy)
  /** Lines of run.jsonl. */
  | { readonly kind: 'log'; readonly text: string }
  /** Some of the batch that was trained on last. */
  | { readonly kind: 'batch'; readonly digits: readonly ShownDigit[] }
  | { readonly kind: 'shown'; readonly digits: readonly ShownDigit[] }
  | { readonly kind: 'failed'; readonly sentence: string }
