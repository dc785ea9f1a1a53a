import { Type } from '@sinclair/typebox'
import { defineEvent } from '../event.ts'
import { Channel, EntityId, Reason, Timestamp, UserId } from './fields.ts'

export const NotificationSendV1 = Type.Object({
  notification_id: EntityId,
  user_id: UserId,
  channel: Channel,
  template: Type.String({ minLength: 1, maxLength: 100 }),
  parameters: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
})

/** Asks for a message to a user. Replaying it would send it again, so it cannot be replayed. */
export const NotificationSend = defineEvent({
  name: 'notification.send',
  delivery: 'stream',
  key: (data) => `user/${data.user_id}`,
  versions: { 1: NotificationSendV1 },
  replayable: false,
})

export const NotificationDeliveredV1 = Type.Object({
  notification_id: EntityId,
  user_id: UserId,
  channel: Channel,
  delivered_at: Timestamp,
})

/** The channel has confirmed the message. */
export const NotificationDelivered = defineEvent({
  name: 'notification.delivered',
  delivery: 'stream',
  key: (data) => `user/${data.user_id}`,
  versions: { 1: NotificationDeliveredV1 },
  visible: (principal, data) => principal.role === 'admin' || principal.user_id === data.user_id,
})

export const NotificationFailedV1 = Type.Object({
  notification_id: EntityId,
  user_id: UserId,
  channel: Channel,
  reason: Reason,
  failed_at: Timestamp,
})

/** The channel has given the message up. */
export const NotificationFailed = defineEvent({
  name: 'notification.failed',
  delivery: 'stream',
  key: (data) => `user/${data.user_id}`,
  versions: { 1: NotificationFailedV1 },
})
