import type { Events } from '@kiln/shared'
import { NotificationSend } from '@kiln/shared/contracts/notification'
import { RequestCreated } from '@kiln/shared/contracts/request'

/**
 * Tells applicants that their request has arrived. Correlation id and trace go along by themselves.
 *
 * The event may come twice; the id made of its own lets whoever consumes the notification see that.
 */
export function notifyApplicants(events: Pick<Events, 'publish' | 'subscribe'>): void {
  events.subscribe(RequestCreated, { name: 'notify-dispatcher', replayable: true }, async ({ id, data }) => {
    const { request_id, applicant_id, category } = data
    await events.publish(
      NotificationSend,
      {
        notification_id: `request-${request_id}`.slice(0, 64),
        user_id: applicant_id,
        channel: 'telegram',
        template: 'request_received',
        parameters: { request_id, category },
      },
      { id: `${id}.notification` },
    )
  })
}
