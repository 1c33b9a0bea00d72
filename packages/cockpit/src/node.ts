/** @file Runs on disk, for Node. */
export { openRunFile, readRun } from './log/run-file.ts'
