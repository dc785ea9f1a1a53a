import { describe, expect, test } from 'bun:test'
import { createEndedLogins, type EndedAccess } from '@kiln/shared/security'
import { eventually } from '@kiln/shared/testing'

const minuteMs = 60_000
const login = { userId: 7, loginId: 'phone', version: 1 }

/** A database in the test's hand: what ended in it, whether it answers, and how far back it was asked. */
function stage() {
  const clock = { nowMs: 0 }
  const database = { ended: { users: [], logins: [] } as EndedAccess, away: false, asked: [] as number[] }
  const failures: unknown[] = []
  const endedLogins = createEndedLogins({
    ttlSeconds: 900,
    now: () => clock.nowMs,
    onError: (error) => failures.push(error),
    async read(seconds) {
      database.asked.push(seconds)
      if (database.away) throw new Error('away')
      return database.ended
    },
  })
  return { clock, database, endedLogins, failures }
}

describe('a login', () => {
  test('is open until it ends, and other logins of the user stay open', async () => {
    const { database, endedLogins } = stage()

    const before = await endedLogins.stateOf(login)
    database.ended = { users: [], logins: [{ id: 'phone' }] }
    await endedLogins.refresh()

    expect(before).toBe('open')
    expect(await endedLogins.stateOf(login)).toBe('ended')
    expect(await endedLogins.stateOf({ ...login, loginId: 'desk' })).toBe('open')
  })

  test('ends with tokens of older versions, and the next token is good', async () => {
    const { database, endedLogins } = stage()
    database.ended = { users: [{ id: 7, version: 2 }], logins: [] }
    await endedLogins.refresh()
    database.ended = { users: [{ id: 7, version: 1 }], logins: [] }

    await endedLogins.refresh()

    expect(await endedLogins.stateOf(login)).toBe('ended')
    expect(await endedLogins.stateOf({ ...login, version: 2 })).toBe('open')
    expect(await endedLogins.stateOf({ ...login, userId: 8 })).toBe('open')
  })
})

describe('what was read', () => {
  test('decides for five seconds; then it is read again', async () => {
    const { clock, database, endedLogins } = stage()
    await endedLogins.refresh()

    clock.nowMs = 5000
    const first = endedLogins.stateOf(login)
    clock.nowMs = 5001
    const second = await endedLogins.stateOf(login)

    expect(first).toBe('open')
    expect(second).toBe('open')
    expect(database.asked).toHaveLength(2)
  })

  test('more than five seconds ago decides nothing while the database is away', async () => {
    const { clock, database, endedLogins } = stage()
    await endedLogins.refresh()
    database.away = true

    clock.nowMs = 5001
    const during = await endedLogins.stateOf(login)
    database.away = false
    const after = await endedLogins.stateOf(login)

    expect([during, after]).toEqual(['unknown', 'open'])
  })

  test('reaches back a minute further than the time before, and at first as far as tokens live', async () => {
    const { clock, database, endedLogins } = stage()
    await endedLogins.refresh()
    clock.nowMs += 1000
    await endedLogins.refresh()
    database.away = true
    clock.nowMs += 3000
    await endedLogins.refresh().catch(() => {})
    database.away = false
    clock.nowMs += 3000
    await endedLogins.refresh()

    expect(database.asked).toEqual([960, 61, 63, 66])
  })

  test('is forgotten once no token can be left', async () => {
    const { clock, database, endedLogins } = stage()
    database.ended = { users: [{ id: 7, version: 2 }], logins: [{ id: 'phone' }] }
    await endedLogins.refresh()
    database.ended = { users: [], logins: [] }
    const states = []

    for (const minutes of [16, 17]) {
      clock.nowMs = minutes * minuteMs - 1
      await endedLogins.refresh()
      states.push(await endedLogins.stateOf(login))
    }

    expect(states).toEqual(['ended', 'open'])
  })
})

describe('who watches a login', () => {
  test('is told once that it has ended, and not of others', async () => {
    const { database, endedLogins } = stage()
    const told: string[] = []
    await endedLogins.refresh()
    endedLogins.watch(login, (reason) => told.push(reason))
    endedLogins.watch({ ...login, loginId: 'desk' }, (reason) => told.push(`desk ${reason}`))
    const stop = endedLogins.watch(login, (reason) => told.push(`stopped ${reason}`))

    stop()
    database.ended = { users: [], logins: [{ id: 'phone' }] }
    await endedLogins.refresh()
    await endedLogins.refresh()

    expect(told).toEqual(['revoked'])
  })

  test('is told when it cannot be known any more, and failures are told once', async () => {
    const { clock, database, endedLogins, failures } = stage()
    const told: string[] = []
    await endedLogins.refresh()
    endedLogins.watch(login, (reason) => told.push(reason))

    database.away = true
    clock.nowMs = 5001
    const stop = endedLogins.start()
    await eventually(() => expect(failures).toHaveLength(1))
    await stop()

    expect(told).toEqual(['unavailable'])
  })
})
