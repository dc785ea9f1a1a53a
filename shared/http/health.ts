import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { examineHealth, type HealthParts, type HealthReport } from './health-report.ts'

export interface HealthOptions extends HealthParts {
  /** Starting and draining services are alive, but not ready. */
  readonly phase: () => 'starting' | 'ready' | 'draining'
  /** How long an answer about the parts is kept, milliseconds. Default 1,000. */
  readonly cacheMs?: number
  readonly now?: () => number
}

const Status = Type.Object({ status: Type.String() }, { additionalProperties: true })
const answers = { response: { 200: Status, 503: Status }, detail: { tags: ['operations'] } }

/**
 * `GET /live`, `GET /ready` and `GET /health`, for Kubernetes and for people.
 *
 * Live means that the process serves requests. Ready means that it may get traffic: started, not draining, every
 * required part up. Parts are asked at most once per `cacheMs`, however many ask.
 */
export function healthRoutes({ phase, cacheMs = 1000, now = Date.now, ...parts }: HealthOptions) {
  let report: Promise<HealthReport> | undefined
  let expiresAtMs = 0

  const current = (): Promise<HealthReport> => {
    if (report === undefined || now() >= expiresAtMs) {
      expiresAtMs = now() + cacheMs
      report = examineHealth(parts)
    }
    return report
  }

  return new Elysia({ name: 'health' })
    .get('/live', () => ({ status: 'up' }), {
      ...answers,
      detail: { ...answers.detail, summary: 'Is it alive?' },
    })
    .get(
      '/ready',
      async ({ status }) => {
        const { healthy, degraded } = await current()
        if (phase() !== 'ready') return status(503, { status: phase() })
        return healthy ? { status: degraded ? 'degraded' : 'ready' } : status(503, { status: 'down' })
      },
      { ...answers, detail: { ...answers.detail, summary: 'May it get traffic?' } },
    )
    .get(
      '/health',
      async ({ status }) => {
        const { healthy, degraded, parts } = await current()
        if (!healthy) return status(503, { status: 'down', ...parts })
        return { status: degraded ? 'degraded' : 'up', ...parts }
      },
      { ...answers, detail: { ...answers.detail, summary: 'How are it and its parts?' } },
    )
}
