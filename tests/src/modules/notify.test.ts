import { expect, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { testEvents } from '@kiln/shared/testing'
import { notifyApplicants } from '../../../src/modules/example/notify.ts'

const request = {
  request_id: '1',
  applicant_id: 5,
  category: 'plumbing',
  description: '',
  address: 'Here',
  priority: 'normal',
  created_at: '2026-01-01T00:00:00Z',
} as const

test('a handler is tested without Redis, as README shows', async () => {
  const events = testEvents()
  notifyApplicants(events)
  await events.start()

  await events.publish(RequestCreated, request)

  const [sent] = await events.consumed('request.created')
  expect(events.published('notification.send')).toMatchObject([{ data: { user_id: 5 } }])
  expect(sent?.subscription).toBe('notify-dispatcher')
  await events.close()
})
