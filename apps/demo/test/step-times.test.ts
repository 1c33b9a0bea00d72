import { expect, it } from 'vitest'
import { StepTimes } from '../src/training/step-times.ts'

const plain = { due: false, after: false }
const due = { due: true, after: false }

it('says what tracked steps take beyond plain ones, without the first of each kind', () => {
  const times = new StepTimes()
  expect(times.costs).toEqual({ plain: undefined, tracked: undefined, share: undefined })
  times.add(due, 900)
  times.add(plain, 700)
  for (let i = 0; i < 9; i++) times.add(plain, 2)
  times.add(due, 12)
  // 10 of 30 milliseconds.
  expect(times.costs).toEqual({ plain: 2, tracked: 12, share: 1 / 3 })
  times.restart()
  times.add(due, 12)
  expect(times.costs).toEqual({ plain: undefined, tracked: 12, share: undefined })
})
