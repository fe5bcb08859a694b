/** Standard input. */

/**
 * All that comes in, as UTF-8 text.
 * @throws the signal's reason when it comes first
 */
export async function readAll(input: NodeJS.ReadableStream, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  const stopped = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  const read = async () => {
    for await (const chunk of input) chunks.push(Buffer.from(chunk))
  }
  await Promise.race([read(), stopped])
  return Buffer.concat(chunks).toString('utf8')
}
