import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'

/** Whether a part answers, and what there is to say about it. */
export interface PartHealth {
  readonly status: 'up' | 'down'
  readonly [fact: string]: unknown
}

/** Asks a part for its health; a rejection counts as down. */
export type HealthProbe = () => Promise<PartHealth>

export interface HealthOptions {
  /** Parts without which the service cannot answer requests. */
  readonly required: Readonly<Record<string, HealthProbe>>
  /** Parts that it can do without for a while. */
  readonly optional?: Readonly<Record<string, HealthProbe>>
  /** Starting and draining services are alive, but not ready. */
  readonly phase: () => 'starting' | 'ready' | 'draining'
  /** How long an answer about the parts is kept, milliseconds. */
  readonly cacheMs?: number
  /** Longest wait for one part, milliseconds. */
  readonly timeoutMs?: number
  readonly now?: () => number
}

interface Report {
  readonly healthy: boolean
  readonly degraded: boolean
  readonly parts: Readonly<Record<string, PartHealth>>
}

const Status = Type.Object({ status: Type.String() }, { additionalProperties: true })
const answers = { response: { 200: Status, 503: Status }, detail: { tags: ['operations'] } }

/**
 * `GET /live`, `GET /ready` and `GET /health`, for Kubernetes and for people.
 *
 * Live means that the process serves requests. Ready means that it may get traffic: started, not draining, every
 * required part up. Parts are asked at most once per `cacheMs`, however many ask.
 */
export function healthRoutes({
  required,
  optional = {},
  phase,
  cacheMs = 1000,
  timeoutMs = 2000,
  now = Date.now,
}: HealthOptions) {
  const probes = Object.entries({ ...required, ...optional })
  let report: Promise<Report> | undefined
  let expiresAtMs = 0

  const examine = async (): Promise<Report> => {
    const asked = probes.map(async ([name, probe]) => [name, await within(probe, timeoutMs)] as const)
    const parts = Object.fromEntries(await Promise.all(asked))
    const down = Object.keys(parts).filter((name) => parts[name]?.status === 'down')
    return { parts, healthy: !down.some((name) => name in required), degraded: down.length > 0 }
  }
  const current = (): Promise<Report> => {
    if (report === undefined || now() >= expiresAtMs) {
      expiresAtMs = now() + cacheMs
      report = examine()
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

async function within(probe: HealthProbe, timeoutMs: number): Promise<PartHealth> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<PartHealth>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'down', reason: 'timeout' }), timeoutMs)
  })
  try {
    return await Promise.race([probe(), timeout])
  } catch {
    return { status: 'down', reason: 'unreachable' }
  } finally {
    clearTimeout(timer)
  }
}
