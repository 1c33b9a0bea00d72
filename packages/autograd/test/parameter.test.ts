import { evaluate, StaleParameterError, updates } from '@beyondgrad/tensor'
import { describe, expect, it } from 'vitest'
import { parameter, parameterMap, parametersOf } from '../src/index.ts'
import { output, v, w, weight } from './networks.ts'

const scalar = (value: number) => ({ shape: [], dtype: 'float32', data: Float32Array.of(value) }) as const

describe('a parameter', () => {
  it('is the same node until it is updated, and another one afterwards', async () => {
    const p = parameter('p', scalar(2))
    const before = p.value
    expect(p.value).toBe(before)
    await evaluate(updates([[p.cell, p.value.mul(3)]]))
    expect(p.value).not.toBe(before)
    expect(await p.value.item()).toBe(6)
    await expect(before.item()).rejects.toThrow(StaleParameterError)
  })

  it('takes new numbers over, and only as many as it has', async () => {
    const p = weight('p', [2, 2])
    const numbers = Float32Array.of(1, 2, 3, 4)
    p.set(numbers)
    expect(p.cell.data).toBe(numbers)
    expect(await p.value.sum().item()).toBe(10)
    expect(() => p.set(new Float32Array(3))).toThrow('parameter "p" has 4 elements, the new value 3')
  })

  it('under another name, or frozen, has the same numbers', () => {
    const p = weight('p', [2])
    const other = p.as({ name: 'q', trainable: false })
    expect([other.name, other.trainable, other.value]).toEqual(['q', false, p.value])
    expect(other.identity).toBe(p.identity)
    expect([p.name, p.trainable]).toEqual(['p', true])
    expect(other.as({ trainable: true })).toMatchObject({ name: 'q', trainable: true })
  })
})

describe('parametersOf', () => {
  it('finds those that an expression depends on, in the order in which it meets them', () => {
    expect(parametersOf([output()]).names).toEqual(['w', 'v'])
    expect(parametersOf([v.value]).names).toEqual(['v'])
  })

  it('leaves frozen ones out, and takes names from the map that it is given', () => {
    const frozen = parameter('f', scalar(1), { trainable: false })
    expect(parametersOf([output().mul(frozen.value)]).names).toEqual(['w', 'v'])
    const renamed = parameterMap([w.as({ name: 'first' }), v.as({ trainable: false })])
    expect(parametersOf([output()], renamed).names).toEqual(['first'])
  })

  it('names one that is not there', () => {
    expect(() => parametersOf([w.value], [v])).toThrow(
      'parameter "v" does not influence the loss; leave it out',
    )
  })
})
