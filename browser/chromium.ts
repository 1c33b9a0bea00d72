/** @file How tests start Chromium. */
import { existsSync } from 'node:fs'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Options for Playwright's `launch`. Playwright's own browser is taken where the system has none. */
export function chromium(): { readonly executablePath?: string; readonly args: string[] } {
  const path = process.env.CHROMIUM_PATH ?? places.find((place) => existsSync(place))
  return {
    ...(path === undefined ? {} : { executablePath: path }),
    args: [
      '--no-sandbox',
      // Where there is no GPU, a processor plays one: WebGL works the same, only slower.
      '--use-gl=angle',
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
      '--enable-unsafe-webgpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  }
}
