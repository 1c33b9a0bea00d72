/** @file The command's parts for programs. */
export type { BenchReport } from './bench/command.ts'
export { problems, type Problem, type ProblemName } from './bench/problems.ts'
