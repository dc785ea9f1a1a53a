import { Elysia } from 'elysia'
import type { Registry } from 'prom-client'

/** `GET /metrics` in the Prometheus text format. */
export function metricsRoutes({ registry }: { registry: Registry }) {
  return new Elysia({ name: 'metrics-route' }).get(
    '/metrics',
    async () => new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } }),
    { detail: { tags: ['operations'], summary: 'Metrics for Prometheus' } },
  )
}
