import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'
import { EntityId, Reason, Timestamp, UserId } from './fields.ts'

const ofManagersAnd = (principal: { readonly role: string; readonly user_id?: number }, userId: number) =>
  principal.role === 'admin' || principal.role === 'manager' || principal.user_id === userId

export const AssignmentCreatedV1 = Type.Object({
  assignment_id: EntityId,
  request_id: EntityId,
  executor_id: UserId,
  due_at: Type.Optional(Timestamp),
  created_at: Timestamp,
})

/** An executor has been offered a request. */
export const AssignmentCreated = defineEvent({
  name: 'assignment.created',
  delivery: 'stream',
  key: (data) => `assignment/${data.assignment_id}`,
  versions: { 1: AssignmentCreatedV1 },
  visible: (principal, data) => ofManagersAnd(principal, data.executor_id),
})

export const AssignmentAcceptedV1 = Type.Object({
  assignment_id: EntityId,
  request_id: EntityId,
  executor_id: UserId,
  accepted_at: Timestamp,
})

/** The executor has taken the request. */
export const AssignmentAccepted = defineEvent({
  name: 'assignment.accepted',
  delivery: 'stream',
  key: (data) => `assignment/${data.assignment_id}`,
  versions: { 1: AssignmentAcceptedV1 },
  visible: (principal, data) => ofManagersAnd(principal, data.executor_id),
})

export const AssignmentRejectedV1 = Type.Object({
  assignment_id: EntityId,
  request_id: EntityId,
  executor_id: UserId,
  reason: Reason,
  rejected_at: Timestamp,
})

/** The executor has turned the request down; it needs another one. */
export const AssignmentRejected = defineEvent({
  name: 'assignment.rejected',
  delivery: 'stream',
  key: (data) => `assignment/${data.assignment_id}`,
  versions: { 1: AssignmentRejectedV1 },
  visible: (principal, data) => ofManagersAnd(principal, data.executor_id),
})
