import { describe, expect, test } from 'bun:test'
import { UserUpdated } from '@kiln/shared/contracts/user'
import { eventually } from '@kiln/shared/testing'
import { testLiveApps } from './support/test-live-apps.ts'

const updated = { user_id: 1, changed: ['role'], updated_at: '2026-01-01T00:00:00Z' }
const liveApp = testLiveApps()

describe('who watches live events', () => {
  test('without a token it is 401', async () => {
    const { app } = liveApp()

    expect((await app.handle(new Request('http://localhost/api/events/live'))).status).toBe(401)
  })

  test('it ends with the login', async () => {
    const { watch } = liveApp({ ttlSeconds: 1 })
    const stream = await watch('admin')

    await stream.done

    expect(stream.events()).toEqual([{ id: undefined, event: 'end', data: { reason: 'expired' } }])
  })

  test('it ends when the process does, and later clients are sent elsewhere', async () => {
    const { live, ask, watch } = liveApp()
    const stream = await watch('admin')

    await live.close()
    await stream.done
    const refused = await ask('admin')

    expect(stream.events()).toEqual([{ id: undefined, event: 'end', data: { reason: 'closing' } }])
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
  })

  test('silence is broken by heartbeats', async () => {
    const { ask } = liveApp({ heartbeatMs: 5 })
    const response = await ask('admin')
    const reader = response.body?.getReader()

    let text = ''
    while (!text.includes(': heartbeat\n\n: heartbeat\n\n')) {
      text += new TextDecoder().decode((await reader?.read())?.value)
    }

    expect(text).toContain('retry: 2000')
    await reader?.cancel()
  })

  test('a client that does not read is cut off, and nobody else', async () => {
    const { events, live, ask, watch } = liveApp({ maxBufferBytes: 20_000 })
    const stalled = await ask('admin')
    const reading = await watch('admin')

    for (let sent = 0; live.watchers > 1; sent++) {
      await events.publish(UserUpdated, updated)
      await eventually(() => expect(reading.events()).toHaveLength(sent + 1))
    }

    expect(reading.ended()).toBe(false)
    expect((await new Response(stalled.body).text()).length).toBeLessThan(21_000)
  })

  test('a client that has left is forgotten, and the last one closes the tail', async () => {
    const { live, transports, watch } = liveApp()
    const opened: { closed: boolean }[] = []
    const { openTail } = transports
    transports.openTail = () => {
      const tail = openTail()
      const record = { closed: false }
      opened.push(record)
      return {
        read: tail.read,
        close: async () => {
          record.closed = true
          await tail.close()
        },
      }
    }
    const [one, other] = [await watch('admin'), await watch('admin')]

    await one.close()
    await other.close()

    await eventually(() => expect(opened).toEqual([{ closed: true }]))
    expect(live.watchers).toBe(0)
  })

  test('more clients than allowed are answered 503', async () => {
    const { ask, watch } = liveApp({ maxClients: 1 })
    await watch('admin')

    const answer = await ask('admin')

    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'SERVICE_BUSY' })
  })

  test('more clients of one user than allowed are answered 429, until one has left; others are let in', async () => {
    const { ask, watch } = liveApp({ maxClientsPerUser: 2 })
    const first = await watch('admin')
    await watch('admin')

    const refused = await ask('admin')
    const somebodyElse = await watch('admin', { userId: 2 })
    await first.close()
    await eventually(async () => {
      const answer = await ask('admin')
      await answer.body?.cancel()
      expect(answer.status).toBe(200)
    })

    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('5')
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED' })
    expect(somebodyElse.ended()).toBe(false)
  })

  test('places are not taken twice by those who come at once', async () => {
    const { ask } = liveApp({ maxClients: 3 })

    const answers = await Promise.all(
      Array.from({ length: 9 }, (_, userId) => ask('admin', { userId: userId + 1 })),
    )
    const taken = answers.filter(({ status }) => status === 200)
    for (const { body } of taken) await body?.cancel()

    expect(taken).toHaveLength(3)
    expect((await ask('admin')).status).toBe(200)
  })
})
