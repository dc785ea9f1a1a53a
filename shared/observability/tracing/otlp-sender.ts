import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { ExponentialBackoff } from 'cockatiel'
import { retryAfterMs } from '../../retry-after.ts'
import type { Message } from './otlp-encoding.ts'
import type { SendSpans } from './span-queue.ts'

export interface OtlpSenderOptions {
  /** The whole URL. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly compression: 'none' | 'gzip'
}

/** The collector may take it later. @see https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
const laterStatuses = [429, 502, 503, 504]

const compress = promisify(gzip)

/**
 * Sends spans with OTLP over HTTP, again and again while the collector is away or busy.
 *
 * With `fetch`, which Bun carries out beside JavaScript: OpenTelemetry's own transport is one of `node:http` and streams, and took several
 * times the CPU time.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export function otlpSender({ endpoint, headers: given, compression }: OtlpSenderOptions): SendSpans {
  const zipped = compression === 'gzip'
  const headers = {
    ...given,
    'content-type': 'application/x-protobuf',
    ...(zipped && { 'content-encoding': 'gzip' }),
  }
  const attempt = async (body: Message, signal: AbortSignal): Promise<Attempt> => {
    try {
      const response = await fetch(endpoint, { method: 'POST', headers, body, signal, redirect: 'manual' })
      const answer = new Uint8Array(await response.arrayBuffer())
      if (response.ok) return { refused: await refusedSpans(answer) }
      const error = new Error(`the collector answered ${response.status}`)
      if (!laterStatuses.includes(response.status)) return { error, againMs: undefined }
      return { error, againMs: retryAfterMs(response.headers.get('retry-after')) }
    } catch (error) {
      return { error, againMs: signal.aborted ? undefined : 0 }
    }
  }

  return async (message, signal) => {
    const body = zipped ? new Uint8Array(await compress(message)) : message
    let backoff = new ExponentialBackoff({ initialDelay: 1000, maxDelay: 5000 }).next()
    for (;;) {
      const attempted = await attempt(body, signal)
      if ('refused' in attempted) return attempted.refused
      const { error, againMs } = attempted
      if (againMs === undefined) throw error
      // What it was about to wait for is better known than that it waited too long.
      await delay(Math.max(againMs, backoff.duration), undefined, { signal }).catch(() => {
        throw error
      })
      backoff = backoff.next(undefined)
    }
  }
}

/** What became of one attempt; `againMs` undefined where there is no point in another one. */
type Attempt =
  | { readonly refused: number }
  | { readonly error: unknown; readonly againMs: number | undefined }

/** A collector may take a part of them; one that takes all has nothing to say, and what reads its words is not loaded. */
async function refusedSpans(answer: Uint8Array): Promise<number> {
  if (answer.length === 0) return 0
  const { ProtobufTraceSerializer } = await import('@opentelemetry/otlp-transformer')
  try {
    const { partialSuccess } = ProtobufTraceSerializer.deserializeResponse(answer)
    return Number(partialSuccess?.rejectedSpans ?? 0)
  } catch {
    // Whatever it says, its status says that it took them.
    return 0
  }
}
