/** @file What pictures need outside of browsers: a document to draw into, and pixels. */
import { BeyondgradError } from '@beyondgrad/tensor'

/** A document without a browser, for what `@beyondgrad/cockpit/report` draws. */
export async function headlessDocument(): Promise<Document> {
  const { parseHTML } = await import('linkedom')
  return parseHTML('<!doctype html><html><head></head><body></body></html>').document
}

/**
 * An SVG as a PNG, with so many pixels for each of its units. Texts need a font on the system. Throws `value` where `@resvg/resvg-js` is not
 * installed.
 */
export async function pngOf(
  svg: string,
  { scale = 2 }: { readonly scale?: number } = {},
): Promise<Uint8Array> {
  const { Resvg } = await loaded(() => import('@resvg/resvg-js'))
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: scale }, font }).render().asPng()
}

async function loaded<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new BeyondgradError(
      'value',
      `PNG is made by @resvg/resvg-js, which can't be loaded (${reason}): npm i @resvg/resvg-js`,
    )
  }
}
