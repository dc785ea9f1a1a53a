import { Counter, Gauge, type Registry } from 'prom-client'
import { shedReasons } from '../http/limits/admission.ts'
import type { LimitObserver } from '../http/limits/limits.ts'

/** How many requests are served at the moment, and how many were refused, by policy and by reason. */
export function limitMetrics(registry: Registry): LimitObserver {
  const registers = [registry]
  const rejected = new Counter({
    name: 'http_server_rate_limited_total',
    help: 'Requests, and logins, that were answered 429, by the policy that was exceeded',
    labelNames: ['policy'],
    registers,
  })
  const shed = new Counter({
    name: 'http_server_shed_total',
    help: 'Requests that were answered 503 without being served, by reason',
    labelNames: ['reason'],
    registers,
  })
  for (const reason of shedReasons) shed.inc({ reason }, 0)
  return {
    rejected: (policy) => rejected.inc({ policy }),
    shed: (reason) => shed.inc({ reason }),
    active(count) {
      new Gauge({
        name: 'http_server_active_requests',
        help: 'Requests that are served at the moment, health and metrics apart',
        registers,
        collect() {
          this.set(count())
        },
      })
    },
  }
}
