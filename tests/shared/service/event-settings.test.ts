import { describe, expect, test } from 'bun:test'
import { parseHeldBack } from '@kiln/shared/service'

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
