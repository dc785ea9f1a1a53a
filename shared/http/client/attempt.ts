import { AppError } from '../../errors.ts'
import type { Fetch } from '../../observability/traced-fetch.ts'

export interface AttemptOptions {
  readonly fetch: Fetch
  readonly timeoutMs: number
  readonly maxResponseBytes: number
}

/** One request and its whole answer, within time and size. Follows no redirect. */
export async function attempt(
  url: URL,
  { signal: given, ...init }: RequestInit,
  { fetch, timeoutMs, maxResponseBytes }: AttemptOptions,
): Promise<Response> {
  const ending = new AbortController()
  const timer = setTimeout(() => ending.abort(timedOut(url)), timeoutMs)
  const pass = () => ending.abort(given?.reason)
  if (given?.aborted) pass()
  given?.addEventListener('abort', pass, { once: true })
  const { signal } = ending
  try {
    const response = await fetch(url, { ...init, signal, redirect: 'manual' })
    return await wholeAnswer(response, { url, signal, maxBytes: maxResponseBytes })
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error instanceof AppError ? error : unreachable(url, error)
  } finally {
    clearTimeout(timer)
    given?.removeEventListener('abort', pass)
  }
}

/** Counts what is read, not what was announced: a few compressed bytes can be many. */
async function wholeAnswer(
  response: Response,
  { url, signal, maxBytes }: { url: URL; signal: AbortSignal; maxBytes: number },
): Promise<Response> {
  const { status, statusText } = response
  const headers = new Headers(response.headers)
  if (response.body === null) return new Response(null, { status, statusText, headers })
  const reader = response.body.getReader()
  // A body that has begun does not end with the request on every runtime.
  const stop = () => void reader.cancel(signal.reason).catch(() => {})
  signal.addEventListener('abort', stop, { once: true })
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      size += part.value.byteLength
      if (size > maxBytes) throw answerInvalid(url, `is larger than ${maxBytes} bytes`)
      chunks.push(part.value)
    }
    signal.throwIfAborted()
  } catch (error) {
    stop()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  headers.delete('content-encoding')
  headers.delete('content-length')
  return new Response(new Blob(chunks), { status, statusText, headers })
}

function answerInvalid(url: URL, reason: string): AppError {
  return new AppError('DEPENDENCY_ANSWER_INVALID', `The answer of ${url.host} ${reason}`)
}

function timedOut(url: URL): AppError {
  return new AppError('DEPENDENCY_TIMEOUT', `${url.host} did not answer in time`, {
    headers: { 'retry-after': '1' },
  })
}

function unreachable(url: URL, cause: unknown): AppError {
  return new AppError('DEPENDENCY_UNAVAILABLE', `${url.host} cannot be reached`, {
    cause,
    headers: { 'retry-after': '1' },
  })
}

/** Nobody was there to take it, so nothing has been sent. */
export function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ConnectionRefused')) return true
  return /connection refused/i.test(error.message) || isRefused(error.cause)
}
