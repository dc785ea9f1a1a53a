import { describe, expect, test } from 'bun:test'
import { silentLogger } from '@kiln/shared'
import { Type } from '@sinclair/typebox'
import { createEvents } from '../../../../shared/events/client.ts'
import { contracts } from '../../../../shared/events/contracts/all.ts'
import { UserCreated } from '../../../../shared/events/contracts/user.ts'
import { defineEvent, type HandledData, type PublishData } from '../../../../shared/events/event.ts'
import type { Inbox } from '../../../../shared/events/inbox.ts'
import { createRegistry } from '../../../../shared/events/registry.ts'
import { memoryTransports } from '../../../../shared/events/transports.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>() => {}

const V1 = Type.Object({ a: Type.String() })
const V2 = Type.Object({ b: Type.Integer() })

describe('the compiler', () => {
  test('knows that publishers give the latest version', () => {
    holds<Equal<PublishData<typeof UserCreated>['full_name'], string>>()
    // @ts-expect-error version 2 has no first_name
    type _Gone = PublishData<typeof UserCreated>['first_name']
    expect(UserCreated.latest).toBe(2)
  })

  test('knows that a handler of an older version receives that version', () => {
    const older = UserCreated.at(1)
    holds<Equal<HandledData<typeof older>['first_name'], string>>()
    // @ts-expect-error there is no version 3
    const newer = () => UserCreated.at(3)
    expect(newer).toThrow('version 3')
    expect(older.version).toBe(1)
  })

  test('refuses a second version without an upcast', () => {
    const define = () =>
      // @ts-expect-error upcast is missing
      defineEvent({ name: 'thing.made', delivery: 'stream', versions: { 1: V1, 2: V2 } })
    expect(define).toThrow('an upcast to version 2 is missing')
  })

  test('refuses an upcast to the wrong shape', () => {
    const define = () =>
      defineEvent({
        name: 'thing.made',
        delivery: 'stream',
        versions: { 1: V1, 2: V2 },
        // @ts-expect-error b is a number
        upcast: { 2: (v1) => ({ b: v1.a }) },
      })
    expect(define).not.toThrow()
  })

  test('refuses a key of a field that does not exist', () => {
    const define = () =>
      // @ts-expect-error version 1 has no id
      defineEvent({ name: 'thing.made', delivery: 'stream', versions: { 1: V1 }, key: (d) => d.id })
    expect(define).not.toThrow()
  })

  test('gives a transaction to handlers of transactional subscriptions, and to no others', () => {
    type Trx = { readonly committed: boolean }
    const inbox: Inbox<Trx> = { handle: async () => {}, rename: async () => {} }
    const given = { service: 'types', transports: memoryTransports(), logger: silentLogger }
    const events = createEvents({ ...given, inbox })
    events.subscribe(UserCreated, { name: 'one', transactional: true }, (event, { trx }) => {
      holds<Equal<typeof trx, Trx>>()
      holds<Equal<(typeof event)['data']['full_name'], string>>()
    })
    events.subscribeBatch(UserCreated, { name: 'many', transactional: true }, (batch, { trx, group }) => {
      holds<Equal<typeof trx, Trx>>()
      return `${group} ${batch[0]?.data.full_name}`
    })
    // @ts-expect-error there is no transaction
    events.subscribe(UserCreated, { name: 'plain' }, (_event, { trx }) => trx)
    // @ts-expect-error nor here
    events.subscribe(UserCreated, { name: 'off', transactional: false }, (_event, { trx }) => trx)
    // @ts-expect-error a typing mistake
    events.subscribe(UserCreated, { name: 'mistyped', transactional: true, atempts: 3 }, () => {})

    const none = createEvents(given)
    // @ts-expect-error there is no inbox
    const declare = () => none.subscribe(UserCreated, { name: 'none', transactional: true }, () => {})
    expect(declare).toThrow('transactional needs an inbox')
  })

  test('refuses a name that is not registered', () => {
    const registry = createRegistry(contracts)
    holds<Equal<HandledData<ReturnType<typeof registry.get<'user.verified'>>>['verified_by'], number>>()
    // @ts-expect-error a typing mistake
    const mistyped = () => registry.get('user.craeted')
    expect(mistyped).toThrow('no event is named user.craeted')
  })
})
