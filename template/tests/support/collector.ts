import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { decodeSpans, type ReceivedSpan } from './otlp.ts'

/** `busy`: it may take them later; `takes some`: all but one of each message; `chats`: takes them, and says what is no OTLP. */
export type Behaviour = 'takes' | 'takes some' | 'chats' | 'refuses' | 'busy' | 'hangs'

const statuses = { takes: 200, 'takes some': 200, chats: 200, refuses: 400, busy: 503 }

/** `ExportTraceServiceResponse` whose `partial_success` has one of `rejected_spans`. */
const oneRejected = Uint8Array.of(0x0a, 0x02, 0x08, 0x01)

/** A collector that takes OTLP over HTTP, on a free port; it may be told to be a bad one. */
export async function startCollector(behaviour: Behaviour = 'takes') {
  const spans: ReceivedSpan[] = []
  const headers: Readonly<Record<string, unknown>>[] = []
  const state = { behaviour, requests: 0 }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    state.requests += 1
    headers.push(request.headers)
    if (state.behaviour === 'hangs') return
    const { behaviour } = state
    if (behaviour === 'takes' && request.url === '/v1/traces') {
      const body = Buffer.concat(chunks)
      spans.push(...decodeSpans(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body))
    }
    response
      .writeHead(statuses[behaviour], { 'content-type': 'application/x-protobuf' })
      .end(behaviour === 'takes some' ? oneRejected : behaviour === 'chats' ? '<p>OK' : undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    spans,
    headers,
    state,
    /** What a service needs to know of it; spans come quickly, and all of them. */
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_TRACES_SAMPLER: 'always_on',
    },
    ofTrace: (traceId: string) => spans.filter((span) => span.traceId === traceId),
    async close(): Promise<void> {
      server.closeAllConnections()
      server.close()
    },
  }
}
