import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { eventually } from '@kiln/shared/testing'
import { buildRequest } from '../../support/build-request.ts'
import { createTestService } from '../../support/service.ts'

describe('the example module', () => {
  let service: Awaited<ReturnType<typeof createTestService>>
  beforeAll(async () => {
    service = await createTestService()
  })
  afterAll(() => service.close())

  test('everybody is greeted', async () => {
    const answer = await service.call('GET', '/api/my-endpoint')

    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ message: 'Hello from my service!' })
  })

  test('a logged-in user is known by id', async () => {
    const { user, token } = await service.signIn('applicant')

    const answer = await service.call('GET', '/protected', { token })

    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ user_id: user.id })
  })

  test('an admin is let in, another role is not', async () => {
    const admin = await service.signIn('admin')
    const manager = await service.signIn('manager')

    const allowed = await service.call('GET', '/admin-only', { token: admin.token })
    const refused = await service.call('GET', '/admin-only', { token: manager.token })

    expect(allowed.body).toEqual({ message: 'Admin access granted' })
    expect(refused.status).toBe(403)
    expect(refused.body.code).toBe('FORBIDDEN')
  })

  test('without a token the answer says how to log in', async () => {
    const answer = await service.call('GET', '/protected')

    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(answer.body).toMatchObject({ code: 'UNAUTHENTICATED', status: 401, instance: '/protected' })
  })
})

describe('the example’s consumer', () => {
  let service: Awaited<ReturnType<typeof createTestService>>
  beforeAll(async () => {
    service = await createTestService()
  })
  afterAll(() => service.close())

  test('an applicant is told that the request has arrived, under the same correlation id', async () => {
    const { events, publishedTo } = service.events
    const request = buildRequest({ request_id: '77', applicant_id: 5 })

    await events.publish(RequestCreated, request, { id: 'r77', correlationId: 'abc' })

    const [notification] = await eventually(async () => {
      const published = await publishedTo('notification')
      expect(published).toHaveLength(1)
      return published
    })
    expect(notification).toMatchObject({
      id: 'r77.notification',
      type: 'notification.send',
      correlationid: 'abc',
      causationid: 'r77',
      data: { user_id: 5, template: 'request_received', parameters: { request_id: '77' } },
    })
  })
})
