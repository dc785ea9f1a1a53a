import { IntegerText, Nullable, OneOf } from '@kiln/shared/schema'
import { type Static, Type } from '@sinclair/typebox'
import { actorTypes } from '../../infrastructure/database/schema.ts'

const Changes = Type.Record(Type.String(), Type.Unknown())

export const AuditRecord = Type.Object({
  id: Type.Integer(),
  occurred_at: Type.String({ format: 'date-time' }),
  actor_type: OneOf(actorTypes),
  actor_id: Nullable(Type.Integer()),
  action: Type.String(),
  entity: Type.String(),
  entity_id: Type.String(),
  before: Nullable(Changes),
  after: Nullable(Changes),
  correlation_id: Nullable(Type.String()),
  trace_id: Nullable(Type.String()),
  address: Nullable(Type.String()),
})

export const AuditList = Type.Object({ items: Type.Array(AuditRecord), next_cursor: Nullable(Type.String()) })
export type AuditList = Static<typeof AuditList>

export const ListAudit = Type.Object({
  entity: Type.Optional(Type.String({ maxLength: 50 })),
  entity_id: Type.Optional(Type.String({ maxLength: 50 })),
  actor_id: Type.Optional(IntegerText({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  from: Type.Optional(Type.String({ format: 'date-time', description: 'not before' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'before' })),
  limit: IntegerText({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(Type.String({ maxLength: 100 })),
})
export type ListAudit = Static<typeof ListAudit>
