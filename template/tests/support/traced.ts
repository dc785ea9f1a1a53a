import { requestContext } from '@kiln/shared/http'
import { openTelemetry } from '@kiln/shared/observability'
import { Elysia } from 'elysia'
import { Registry } from 'prom-client'
import { type Behaviour, startCollector } from './collector.ts'
import { loggedLines } from './logged-lines.ts'

/** What a test has opened. */
export const closing: (() => Promise<unknown>)[] = []

/** For `afterEach`: closes it, in reverse order. */
export async function closeTraced(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}

/** Telemetry that a collector takes. */
export async function traced(env: Record<string, string> = {}, behaviour: Behaviour = 'takes') {
  const collector = await startCollector(behaviour)
  const { logger, lines } = loggedLines()
  const registry = new Registry()
  const telemetry = await openTelemetry(
    { ...collector.env, ...env },
    { serviceName: 'some-service', version: '1', slowQueryMs: 0, slowRequestMs: 0, logger, registry },
  )
  closing.push(collector.close, telemetry.close)
  const frame = { observers: telemetry.requests, sampler: telemetry.sampler }
  const get = (
    app: { handle: (request: Request) => Promise<Response> },
    headers: Record<string, string> = {},
  ) => app.handle(new Request('http://localhost/things/7?token=planted', { headers }))
  return { ...telemetry, collector, lines, registry, app: () => new Elysia().use(requestContext(frame)), get }
}
