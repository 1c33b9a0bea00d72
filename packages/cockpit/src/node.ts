/** @file For Node: runs in folders, and pictures without a browser. */
export { headlessDocument, pngOf } from './headless.ts'
export { openRunFile, readRun } from './log/run-file.ts'
