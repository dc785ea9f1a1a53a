import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { UserList } from '../../../../src/modules/users/schemas.ts'
import { createTestService, type TestService } from '../../../support/service.ts'

let service: TestService
let token: string
beforeEach(async () => {
  service = await createTestService()
  token = (await service.signIn('admin')).token
})
afterEach(() => service.close())

const list = async (query = '') =>
  (await service.call<UserList>('GET', `/api/users?${query}`, { token })).body

async function pages(query: string, between: () => Promise<unknown> = async () => {}) {
  const found: number[][] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: UserList = await list(cursor ? `${query}&cursor=${cursor}` : query)
    found.push(page.items.map(({ id }) => id))
    cursor = page.next_cursor
    await between()
  }
  return found
}

describe('the list of users', () => {
  test('shows each user once, page by page, in the order they were made', async () => {
    const others = []
    for (let index = 0; index < 6; index += 1) others.push((await service.signIn('applicant')).user.id)

    const found = await pages('limit=3')

    expect(found.map((page) => page.length)).toEqual([3, 3, 1])
    expect(found.flat().slice(1)).toEqual(others)
  })

  test('ends without a cursor where the last page is full', async () => {
    for (let index = 0; index < 3; index += 1) await service.signIn('applicant')

    const found = await pages('limit=2')

    expect(found.map((page) => page.length)).toEqual([2, 2])
  })

  test('stays stable while users are added and change', async () => {
    for (let index = 0; index < 5; index += 1) await service.signIn('applicant')
    const before = (await list('limit=100')).items.map(({ id }) => id)
    let added = 0

    const found = await pages('limit=2', async () => {
      await service.call('PATCH', `/api/users/${before[0]}`, { token, body: { first_name: 'Renamed' } })
      if (added++ < 4) await service.signIn('executor')
    })

    expect(found.flat().slice(0, before.length)).toEqual(before)
    expect(new Set(found.flat()).size).toBe(found.flat().length)
  })

  test('is filtered by role, also from page to page', async () => {
    const executors = []
    for (let index = 0; index < 3; index += 1) {
      await service.signIn('applicant')
      executors.push((await service.signIn('executor')).user.id)
    }

    const found = await pages('role=executor&limit=2')

    expect(found).toEqual([executors.slice(0, 2), executors.slice(2)])
  })

  test('has twenty to a page unless it is asked for more', async () => {
    await Promise.all(Array.from({ length: 24 }, () => service.signIn('applicant')))

    const [short, long] = [await list(), await list('limit=100')]

    expect([short.items.length, long.items.length]).toEqual([20, 25])
    expect(long.next_cursor).toBeNull()
  })

  test('never shows a password, nor its hash', async () => {
    await service.signUp('applicant', 'ada@example.org')

    expect(JSON.stringify(await list())).not.toMatch(/password|scrypt/)
  })
})
