/** @file Runs all showcases, or those that are named: `npm start -- wrong-labels`. Ends with status 1 where the diagnosis is not what it should be. */
import { learningRates } from './learning-rates.ts'
import { rawPixels } from './raw-pixels.ts'
import { vanishingGradients } from './vanishing-gradients.ts'
import { wrongLabels } from './wrong-labels.ts'

const showcases = {
  'learning-rates': learningRates,
  'raw-pixels': rawPixels,
  'vanishing-gradients': vanishingGradients,
  'wrong-labels': wrongLabels,
}
const names = process.argv.slice(2)
for (const [name, showcase] of Object.entries(showcases))
  if (names.length === 0 || names.includes(name)) await showcase()
