import { Elysia } from 'elysia'
import type { Registry } from 'prom-client'
import { exposeMetrics } from '../observability/open-metrics.ts'

/** `GET /metrics` in the Prometheus text format, or in OpenMetrics where that is asked for. */
export function metricsRoutes({ registry }: { registry: Registry }) {
  return new Elysia({ name: 'metrics-route' }).get(
    '/metrics',
    async ({ request }) => {
      const { contentType, text } = await exposeMetrics(registry, request.headers.get('accept'))
      return new Response(text, { headers: { 'content-type': contentType } })
    },
    { detail: { tags: ['operations'], summary: 'Metrics for Prometheus' } },
  )
}
