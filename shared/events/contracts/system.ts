import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'
import { Timestamp } from './fields.ts'

export const HealthCheckedV1 = Type.Object({
  service: Type.String({ minLength: 1 }),
  instance: Type.String({ minLength: 1 }),
  status: Type.Union([Type.Literal('healthy'), Type.Literal('degraded'), Type.Literal('unhealthy')]),
  checked_at: Timestamp,
})

/** How one instance of a service finds itself. */
export const HealthChecked = defineEvent({
  name: 'system.health_check',
  delivery: 'broadcast',
  versions: { 1: HealthCheckedV1 },
})

export const SystemErrorV1 = Type.Object({
  service: Type.String({ minLength: 1 }),
  code: Type.String({ minLength: 1, maxLength: 100 }),
  message: Type.String({ maxLength: 1000 }),
  correlation_id: Type.Optional(Type.String({ maxLength: 128 })),
  occurred_at: Timestamp,
})

export const AccessEndedV1 = Type.Object({ service: Type.String({ minLength: 1 }) })

/** Somebody's access to a service has ended: its processes read now who that is, and not only at their next turn. */
export const AccessEnded = defineEvent({
  name: 'system.access_ended',
  delivery: 'broadcast',
  versions: { 1: AccessEndedV1 },
  maxPerSecond: 50,
})

/** An unexpected error, for whoever watches. Never published because publishing failed. */
export const SystemError = defineEvent({
  name: 'system.error',
  delivery: 'broadcast',
  versions: { 1: SystemErrorV1 },
  maxPerSecond: 10,
})
