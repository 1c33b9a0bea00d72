/** @file Layers with ops of their own: two elementwise activations, and a shift along the time axis. */
import { definePlugin, type Plugin } from '@beyondgrad/autograd'
import { shiftNode } from './shift.ts'
import { snakeNode } from './snake.ts'
import { squareplusNode } from './squareplus.ts'

export { shift, TokenShift } from './shift.ts'
export { Snake, snake, type SnakeOptions } from './snake.ts'
export { Squareplus, squareplus } from './squareplus.ts'

/** What `--plugin beyondgrad-layer-pack` makes known. */
const plugin: Plugin = definePlugin({
  protocol: 1,
  name: 'beyondgrad-layer-pack',
  ops: { snake: snakeNode, squareplus: squareplusNode, shift: shiftNode },
})
export default plugin
