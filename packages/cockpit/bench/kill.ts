/** @file Kills a logging process 200 times, or as often as is said, and counts the logs that lack something. `npm run cockpit-kill`. */
import { isWhole, killedAfter } from '../test/kill.ts'

const times = Number(process.argv[2] ?? 200)
let [whole, steps] = [0, 0]
for (let i = 0; i < times; i++) {
  const remains = await killedAfter(Math.random() * 30)
  if (isWhole(remains)) whole++
  else console.log(`told of step ${remains.told}, found ${remains.steps.length} steps`)
  steps += remains.steps.length
}
console.log(`${whole} of ${times} logs whole, ${steps} steps in all`)
process.exitCode = whole === times ? 0 : 1
