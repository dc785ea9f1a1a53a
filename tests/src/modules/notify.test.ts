import { expect, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { testEvents } from '@kiln/shared/testing'
import { notifyApplicants } from '../../../src/modules/example/notify.ts'
import { buildRequest } from '../../support/build-request.ts'

test('a handler is tested without Redis, as README shows', async () => {
  const events = testEvents()
  notifyApplicants(events)
  await events.start()

  await events.publish(RequestCreated, buildRequest({ applicant_id: 5 }))

  const [sent] = await events.consumed('request.created')
  expect(events.published('notification.send')).toMatchObject([{ data: { user_id: 5 } }])
  expect(sent?.subscription).toBe('notify-dispatcher')
  await events.close()
})
