/**
 * @file Gzip, by the platform's own DecompressionStream: browsers and Node have it, so nothing is installed, and a file that
 * unpacks to more than it may is stopped while it does.
 */

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

/** The unpacked chunks, in order. Leaving the loop over them stops the unpacking. */
export async function* gunzip(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const source = new ReadableStream<BufferSource>({
    start(controller) {
      // The type asks for a buffer that is not shared; the stream only reads.
      controller.enqueue(bytes as Uint8Array<ArrayBuffer>)
      controller.close()
    },
  })
  const reader = source.pipeThrough(new DecompressionStream('gzip')).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // After an error there is nothing left to cancel, and that error is the one to report.
    await reader.cancel().catch(() => undefined)
  }
}
