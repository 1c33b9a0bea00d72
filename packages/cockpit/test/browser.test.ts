/** @file The package as browsers get it: the same but for folders. */
import { describe, expect, it } from 'vitest'
import * as inBrowsers from '../src/browser.ts'
import * as inNode from '../src/index.ts'

describe('the package in browsers', () => {
  it('exports what it exports in Node', () => {
    expect(Object.keys(inBrowsers).sort()).toEqual(Object.keys(inNode).sort())
  })

  it('says that there are no folders for a log', async () => {
    await expect(inBrowsers.openCockpit({ log: 'runs/first' })).rejects.toThrow(
      'there are no folders in a browser for the log "runs/first"',
    )
  })

  it('hands lines to whoever takes them', async () => {
    const log = { append: () => undefined, wait: () => undefined, close: () => undefined }
    const cockpit = await inBrowsers.openCockpit({ log, instruments: 'economy' })
    await cockpit.close()
    expect(cockpit.instruments.map(({ name }) => name)).toContain('Alpha')
  })
})
