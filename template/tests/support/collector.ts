import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeSpans, type ReceivedSpan } from './otlp.ts'

export type Behaviour = 'takes' | 'refuses' | 'hangs'

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
    if (state.behaviour === 'takes' && request.url === '/v1/traces')
      spans.push(...decodeSpans(Buffer.concat(chunks)))
    response
      .writeHead(state.behaviour === 'takes' ? 200 : 400, { 'content-type': 'application/x-protobuf' })
      .end()
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
