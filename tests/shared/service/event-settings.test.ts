import { describe, expect, test } from 'bun:test'
import { parseHeldBack, parseShards } from '@kiln/shared/service'

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
