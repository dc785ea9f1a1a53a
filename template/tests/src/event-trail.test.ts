import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { type KeptServer, startPostgres } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { connectServiceDatabase } from '../../../src/infrastructure/database/connection.ts'
import { buildRequest } from '../../../tests/support/build-request.ts'
import { createTestService, type TestService } from '../../../tests/support/service.ts'

setDefaultTimeout(60_000)

const subscription = 'notify-dispatcher'
const letters = `/api/events/subscriptions/${subscription}/dead-letters`

describe('what operators do to events is in the trail before it is done', () => {
  let postgres: KeptServer
  let service: TestService
  let token: string
  beforeAll(async () => {
    postgres = await startPostgres()
    service = await createTestService(
      {},
      { connect: (config) => connectServiceDatabase({ ...config, databaseUrl: postgres.url }) },
    )
    token = (await service.signIn('admin')).token
    const broken = Array.from({ length: 3 }, () => ['type', 'request.created', 'data', '{'])
    await service.events.transports.streams.append('request', broken)
    await service.events.events.publish(RequestCreated, buildRequest())
    await eventually(async () => expect(await deadLetters()).toHaveLength(3))
  })
  afterAll(async () => {
    await service.close()
    await postgres.stop()
  })

  const post = (path: string, body?: unknown) =>
    service.call('POST', path, { token, ...(body !== undefined && { body }) })
  const deadLetters = async () =>
    (await service.call<{ items: unknown[] }>('GET', letters, { token })).body.items
  const trail = async () => {
    const { body } = await service.call<{ items: { action: string; after: Record<string, unknown> }[] }>(
      'GET',
      '/api/audit?limit=100',
      { token },
    )
    return body.items.filter(({ action }) => action.startsWith('events.')).toReversed()
  }

  test('with the database away nothing is changed, and they are told so', async () => {
    const before = await deadLetters()

    process.kill(postgres.pid, 'SIGKILL')
    // Its processes go on for a moment before they notice.
    await eventually(async () => {
      const { status } = await service.call('GET', '/api/audit', { token })
      expect(status).toBe(503)
    })
    const answers = [
      await post(`${letters}/redrive`, { all: true }),
      await post(`${letters}/purge`, { all: true }),
      await post('/api/events/replays', { subscription }),
      await post(`/api/events/subscriptions/${subscription}/pause`),
    ]
    await postgres.restart()

    const codes = answers.map(({ status, body }) => [status, body.code])
    expect(codes).toEqual(Array.from({ length: 4 }, () => [503, 'DATABASE_UNAVAILABLE']))
    await eventually(async () => expect(await trail()).toEqual([]))
    const replays = await service.call('GET', '/api/events/replays', { token })
    const { body: subscriptions } = await service.call('GET', '/api/events/subscriptions', { token })
    expect(await deadLetters()).toEqual(before)
    expect(replays.body).toEqual({ items: [] })
    expect(subscriptions).toMatchObject({ items: [{ paused: false }] })
  })

  test('a change has two rows: what was meant, and what was done', async () => {
    await eventually(() => post(`${letters}/purge`, { all: true, max_count: 2 }))
    await post('/api/events/replays', { subscription, last: 1 })

    const rows = await trail()

    expect(rows.map(({ action, after }) => [action, after.count ?? after.total])).toEqual([
      ['events.dead_letters_purging', 2],
      ['events.dead_letters_purged', 2],
      ['events.replay_starting', undefined],
      ['events.replay_started', 1],
    ])
  })
})
