import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'
import { EntityId, Priority, Timestamp, UserId } from './fields.ts'

const managers = (principal: { readonly role: string }) =>
  principal.role === 'admin' || principal.role === 'manager'

export const RequestCreatedV1 = Type.Object({
  request_id: EntityId,
  applicant_id: UserId,
  category: Type.String({ minLength: 1, maxLength: 100 }),
  description: Type.String({ maxLength: 4000 }),
  address: Type.String({ minLength: 1, maxLength: 300 }),
  priority: Priority,
  created_at: Timestamp,
})

/** An applicant has asked for work to be done. */
export const RequestCreated = defineEvent({
  name: 'request.created',
  delivery: 'stream',
  key: (data) => `request/${data.request_id}`,
  versions: { 1: RequestCreatedV1 },
  visible: (principal, data) => managers(principal) || principal.user_id === data.applicant_id,
})

export const RequestAssignedV1 = Type.Object({
  request_id: EntityId,
  executor_id: UserId,
  assigned_by: UserId,
  assigned_at: Timestamp,
})

/** A request has an executor. */
export const RequestAssigned = defineEvent({
  name: 'request.assigned',
  delivery: 'stream',
  key: (data) => `request/${data.request_id}`,
  versions: { 1: RequestAssignedV1 },
  visible: (principal, data) => managers(principal) || principal.user_id === data.executor_id,
})

export const RequestCompletedV1 = Type.Object({
  request_id: EntityId,
  executor_id: UserId,
  completed_at: Timestamp,
  notes: Type.Optional(Type.String({ maxLength: 4000 })),
  rating: Type.Optional(Type.Integer({ minimum: 1, maximum: 5 })),
})

export const RequestCompletedV2 = Type.Object({
  request_id: EntityId,
  executor_id: UserId,
  completed_at: Timestamp,
  outcome: Type.Object({
    notes: Type.String({ maxLength: 4000 }),
    rating: Type.Union([Type.Integer({ minimum: 1, maximum: 5 }), Type.Null()]),
  }),
})

/** The work is done. Version 2 gathers `notes` and `rating` into `outcome`. */
export const RequestCompleted = defineEvent({
  name: 'request.completed',
  delivery: 'stream',
  key: (data) => `request/${data.request_id}`,
  versions: { 1: RequestCompletedV1, 2: RequestCompletedV2 },
  upcast: {
    2: ({ notes = '', rating = null, ...rest }) => ({ ...rest, outcome: { notes, rating } }),
  },
  downcast: {
    1: ({ outcome: { notes, rating }, ...rest }) => ({ ...rest, notes, ...(rating !== null && { rating }) }),
  },
  visible: (principal, data) => managers(principal) || principal.user_id === data.executor_id,
})
