import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'
import { EntityId, Reason, Timestamp, UserId } from './fields.ts'

export const ShiftCreatedV1 = Type.Object({
  shift_id: EntityId,
  executor_id: UserId,
  starts_at: Timestamp,
  ends_at: Timestamp,
  created_by: UserId,
})

/** An executor is planned to work between two times. */
export const ShiftCreated = defineEvent({
  name: 'shift.created',
  delivery: 'stream',
  key: (data) => `shift/${data.shift_id}`,
  versions: { 1: ShiftCreatedV1 },
  visible: (principal, data) =>
    principal.role === 'admin' || principal.role === 'manager' || principal.user_id === data.executor_id,
})

export const ShiftTransferredV1 = Type.Object({
  shift_id: EntityId,
  from_executor_id: UserId,
  to_executor_id: UserId,
  reason: Type.Optional(Reason),
  transferred_at: Timestamp,
})

/** A shift now belongs to another executor. */
export const ShiftTransferred = defineEvent({
  name: 'shift.transferred',
  delivery: 'stream',
  key: (data) => `shift/${data.shift_id}`,
  versions: { 1: ShiftTransferredV1 },
  visible: (principal, data) =>
    principal.role === 'admin' ||
    principal.role === 'manager' ||
    principal.user_id === data.from_executor_id ||
    principal.user_id === data.to_executor_id,
})
