import { describe, expect, test } from 'bun:test'
import { Type } from '@sinclair/typebox'
import { contracts } from '../../../../shared/events/contracts/all.ts'
import { RequestCompleted } from '../../../../shared/events/contracts/request.ts'
import { UserCreated } from '../../../../shared/events/contracts/user.ts'
import { check, readData } from '../../../../shared/events/decode.ts'
import { EventError, EventInvalidError } from '../../../../shared/events/errors.ts'
import { defineEvent } from '../../../../shared/events/event.ts'
import { createRegistry } from '../../../../shared/events/registry.ts'
import { convert } from '../../../../shared/events/versions.ts'

const V1 = Type.Object({ a: Type.String() })
const created = {
  user_id: 7,
  telegram_id: 456789,
  full_name: 'Ada Lovelace',
  role: 'executor',
  metadata: {},
} as const

describe('the contracts', () => {
  test('are the seventeen events, the last three broadcast', () => {
    const registry = createRegistry(contracts)

    expect(registry.names).toEqual([
      'user.created',
      'user.updated',
      'user.verified',
      'request.created',
      'request.assigned',
      'request.completed',
      'assignment.created',
      'assignment.accepted',
      'assignment.rejected',
      'shift.created',
      'shift.transferred',
      'notification.send',
      'notification.delivered',
      'notification.failed',
      'system.access_ended',
      'system.health_check',
      'system.error',
    ])
    expect(contracts.filter((c) => c.delivery === 'broadcast').map((c) => c.domain)).toEqual([
      'system',
      'system',
      'system',
    ])
  })

  test('take a user from version 1 to 2 and back without loss', () => {
    const v1 = { user_id: 7, first_name: 'Ada', last_name: 'Lovelace', role: 'executor' }

    const v2 = convert(UserCreated, v1, 1, 2)

    expect(v2).toEqual({ user_id: 7, full_name: 'Ada Lovelace', role: 'executor', metadata: {} })
    expect(convert(UserCreated, v2, 2, 1)).toEqual(v1)
  })

  test('downcast every valid full name to a valid first name', () => {
    for (const full_name of ['Al', 'A B', 'A Name Of Many Parts', 'x'.repeat(101), 'J Doe']) {
      const v1 = convert(UserCreated, { ...created, full_name }, 2, 1)
      expect(() => check(UserCreated, 1, v1)).not.toThrow()
    }
  })

  test('take a completed request from version 1 to 2 and back', () => {
    const v1 = {
      request_id: 'r1',
      executor_id: 3,
      completed_at: '2026-01-01T00:00:00Z',
      notes: 'done',
      rating: 5,
    }

    const v2 = convert(RequestCompleted, v1, 1, 2)

    expect(() => check(RequestCompleted, 2, v2)).not.toThrow()
    expect(convert(RequestCompleted, v2, 2, 1)).toEqual(v1)
  })

  test('give a JSON Schema for every version', () => {
    const schemas = createRegistry(contracts).jsonSchemas()

    expect(Object.keys(schemas)).toHaveLength(19)
    expect(schemas['user.created.v2']).toMatchObject({
      $id: 'user.created.v2',
      type: 'object',
      required: ['user_id', 'full_name', 'role', 'metadata'],
    })
  })
})

describe('a definition', () => {
  test('of the same name twice is refused', () => {
    expect(() => createRegistry([UserCreated, UserCreated])).toThrow('user.created is declared twice')
  })

  test('with a gap between its versions is refused', () => {
    const define = () =>
      defineEvent({
        name: 'thing.made',
        delivery: 'stream',
        versions: { 1: V1, 3: V1 } as unknown as { 1: typeof V1 },
      })
    expect(define).toThrow(EventError)
  })

  test('with a name that is not domain.verb is refused', () => {
    for (const name of ['Thing.made', 'thing', '.made', 'thing.', 'thing made.x'] as const) {
      expect(() => defineEvent({ name: name as 'a.b', delivery: 'stream', versions: { 1: V1 } })).toThrow(
        EventError,
      )
    }
  })
})

describe('data', () => {
  test('that breaks its schema is refused with every path and no value', () => {
    const broken = { ...created, user_id: 'secret-7', role: 'king' }

    const error = (() => {
      try {
        check(UserCreated, 2, broken)
      } catch (error) {
        return error as EventInvalidError
      }
    })()

    expect(error).toBeInstanceOf(EventInvalidError)
    expect(error?.code).toBe('EVENT_INVALID')
    expect(error?.issues.map(({ path }) => path)).toEqual(expect.arrayContaining(['/user_id', '/role']))
    expect(error?.message).not.toContain('secret-7')
  })

  test('keeps fields the schema does not name', () => {
    const envelope = { id: '1', source: 's', type: 'user.created', time: '', dataversion: 2 }

    const data = readData(UserCreated, { ...envelope, data: JSON.stringify({ ...created, later: true }) })

    expect(data).toMatchObject({ full_name: 'Ada Lovelace', later: true })
  })

  test('newer than the contract is told apart from broken data', () => {
    const envelope = { id: '1', source: 's', type: 'user.created', time: '', dataversion: 3, data: '{}' }
    expect(() => readData(UserCreated, envelope)).toThrow(
      expect.objectContaining({ code: 'EVENT_VERSION_UNKNOWN' }),
    )
  })
})

test('importing a contract loads no Redis code', async () => {
  const child = Bun.spawn({
    cmd: [
      process.execPath,
      '-e',
      `await import('${import.meta.dir}/../../../../shared/events/contracts/all.ts')
       const loaded = [...Object.keys(require.cache)].filter((path) => /ioredis|redis\\//.test(path))
       console.log(JSON.stringify(loaded))`,
    ],
    stdout: 'pipe',
  })
  expect((await new Response(child.stdout).text()).trim()).toBe('[]')
})
