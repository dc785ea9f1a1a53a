import { describe, expect, test } from 'bun:test'
import { inboxWeakness, parseHeldBack, parseShards } from '@kiln/shared/service'

describe('events held back at an older version', () => {
  test('are named with it', () => {
    expect(parseHeldBack('user.created=1, request.completed=1')).toEqual({
      'user.created': 1,
      'request.completed': 1,
    })
    expect(parseHeldBack(undefined)).toEqual({})
  })

  test.each(['user.created', 'user.created=3', 'user.created=0', 'no.thing=1', 'user.created=1,,'])(
    '%s is refused',
    (text) => {
      expect(parseHeldBack(text)).toBeUndefined()
    },
  )
})

describe('how long the inbox remembers', () => {
  test.each([
    { eventsInboxDays: 7, eventsRetentionHours: 168, eventsArchiveDays: 7 },
    { eventsInboxDays: 30, eventsRetentionHours: 169 },
    { eventsRetentionHours: 168 },
  ])('%o is enough', (settings) => {
    expect(inboxWeakness(settings)).toBeUndefined()
  })

  test.each([
    { eventsInboxDays: 7, eventsRetentionHours: 169, eventsArchiveDays: 1 },
    { eventsInboxDays: 7, eventsRetentionHours: 1, eventsArchiveDays: 8 },
  ])('%o is shorter than an event may come again', (settings) => {
    expect(inboxWeakness(settings)).toBe(
      'must be at least 8, because streams or the archive keep events so long',
    )
  })
})

describe('shards', () => {
  test('are counted by domain', () => {
    expect(parseShards('user=4, request=2')).toEqual({ user: 4, request: 2 })
    expect(parseShards(undefined)).toEqual({})
  })

  test.each(['user', 'user=0', 'user=257', 'user=4,user=4', 'User=4', '=4', 'user=4,'])(
    '%s is refused',
    (text) => {
      expect(parseShards(text)).toBeUndefined()
    },
  )
})
