/** @file A process that logs steps until it is killed; it tells of each step that it has handed over. */
import { runLog } from '../src/log/run-log.ts'
import { openRunFile } from '../src/log/run-file.ts'

const folder = process.argv[2]!
const log = runLog(openRunFile(folder, { resume: true }))
log.begin({ parameters: [{ name: 'w', shape: [2] }], quantities: ['Loss', 'Alpha', 'GradHist1d'] })
for (let step = 0; ; step++) {
  const counts = Array.from({ length: 100 }, (_, i) => i * step)
  const line = { step, time: log.time(), quantities: { Loss: 1 / (step + 1), GradHist1d: { counts } } }
  log.wait(line)
  process.stdout.write(`${step}\n`)
  log.step({ ...line, quantities: { ...line.quantities, Alpha: step % 3 === 0 ? NaN : 0.1 } })
}
