import { describe, expect, it } from 'vitest'
import { checkPlugin, definePlugin, mseLoss } from '../src/index.ts'

describe('definePlugin', () => {
  it('hands on what it was given, with its types', () => {
    const losses = { 'squared-error': mseLoss as never }
    const plugin = definePlugin({ protocol: 1, name: 'beyondgrad-example', losses })
    expect(plugin.losses).toBe(losses)
    expect(() => checkPlugin(plugin)).not.toThrow()
  })

  it.each([
    [undefined, /export it as default/],
    [{}, /export it as default/],
    [{ protocol: 2, name: 'other' }, /"other" speaks protocol 2, .* protocol 1/],
    [{ protocol: 1, name: 'p', quantities: { 'Batch Cosine': () => 1 } }, /"Batch Cosine" can't be typed/],
  ])('%j is none', (value, message) => {
    expect(() => checkPlugin(value)).toThrow(message)
  })
})
