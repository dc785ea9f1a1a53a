import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestService, type TestService } from '../../../tests/support/service.ts'

describe('the log level over HTTP', () => {
  const path = '/api/operations/log-level'
  let service: TestService
  beforeAll(async () => {
    service = await createTestService()
  })
  afterAll(() => service.close())

  test('is changed and shown to admins', async () => {
    const { token } = await service.signIn('admin')

    const changed = await service.call('PUT', path, { token, body: { level: 'ERROR' } })
    const shown = await service.call('GET', path, { token })

    expect([changed.status, changed.body]).toEqual([200, { level: 'ERROR' }])
    expect([shown.status, shown.body]).toEqual([200, { level: 'ERROR' }])
  })

  test('is nobody else’s affair', async () => {
    const { token } = await service.signIn('manager')

    const answers = [
      await service.call('PUT', path, { token, body: { level: 'TRACE' } }),
      await service.call('PUT', path, { body: { level: 'TRACE' } }),
    ]

    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [403, 'FORBIDDEN'],
      [401, 'UNAUTHENTICATED'],
    ])
  })

  test('is one of six', async () => {
    const { token } = await service.signIn('admin')

    const { status, body } = await service.call('PUT', path, { token, body: { level: 'LOUD' } })

    expect([status, body.code]).toEqual([422, 'VALIDATION_FAILED'])
  })
})
