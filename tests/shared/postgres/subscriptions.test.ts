import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { SubscriptionStore } from '@kiln/shared'
import { memoryStore } from '@kiln/shared'
import { postgresSubscriptions } from '@kiln/shared/postgres'
import { createTestService } from '../../support/service.ts'

describe.each(['memory', 'PostgreSQL'])('subscriptions kept in %s', (where) => {
  let service: Awaited<ReturnType<typeof createTestService>>
  let store: SubscriptionStore
  beforeAll(async () => {
    service = await createTestService()
    store = where === 'memory' ? memoryStore() : postgresSubscriptions(service.db)
  })
  afterAll(() => service.close())

  const record = (name: string) => ({
    group: `s.${name}`,
    owner: 's',
    name,
    events: ['user.created', 'user.updated'],
    tags: ['user'],
    heardAtMs: 1_000,
  })

  test('are registered, again without losing that they are paused', async () => {
    await store.register(record('again'))
    await store.setPaused('s.again', true)
    await store.register({ ...record('again'), events: ['user.created'], heardAtMs: 2_000 })

    const found = (await store.list()).find(({ group }) => group === 's.again')

    expect(found).toEqual({ ...record('again'), events: ['user.created'], heardAtMs: 2_000, paused: true })
    expect(await store.isPaused('s.again')).toBe(true)
  })

  test('that nobody registered cannot be paused', async () => {
    expect(await store.setPaused('s.nobody', true)).toBe(false)
    expect(await store.isPaused('s.nobody')).toBe(false)
  })

  test('have a mark for each tag', async () => {
    await store.register({ ...record('marked'), tags: ['user', 'user:1'] })
    await store.saveMark('s.marked', 'user', '5-0')
    await store.saveMark('s.marked', 'user:1', '7-0')
    await store.saveMark('s.marked', 'user', '6-0')

    expect(await store.mark('s.marked', 'user')).toBe('6-0')
    expect(await store.mark('s.marked', 'user:1')).toBe('7-0')
    expect(await store.mark('s.marked', 'user:2')).toBeUndefined()
  })

  test('remember when they were heard, until they are removed', async () => {
    await store.register(record('heard'))
    await store.saveMark('s.heard', 'user', '5-0')
    await store.heard('s.heard', 9_000)

    expect((await store.list()).find(({ group }) => group === 's.heard')?.heardAtMs).toBe(9_000)
    await store.remove('s.heard')
    expect((await store.list()).find(({ group }) => group === 's.heard')).toBeUndefined()
    expect(await store.mark('s.heard', 'user')).toBeUndefined()
  })
})
