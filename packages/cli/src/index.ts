/** @file The command's parts for programs. */
export type { BenchReport } from './bench/bench.ts'
export { problems, type Problem } from './bench/problems.ts'
export type { ProblemName } from './bench/problem-names.ts'
