import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Role, roles } from '../../../../src/infrastructure/database/schema.ts'
import type { User } from '../../../../src/modules/users/schemas.ts'
import { createTestService, type TestService } from '../../../support/service.ts'

type Person = { user: User; token: string }

let service: TestService
let people: Record<Role, Person>
beforeAll(async () => {
  service = await createTestService()
  const signedIn = await Promise.all(roles.map(async (role) => [role, await service.signIn(role)]))
  people = Object.fromEntries(signedIn)
})
afterAll(() => service.close())

const statusOf = async (method: string, path: string, token: string, body?: unknown) =>
  (await service.call(method, `/api/users${path}`, { token, ...(body !== undefined && { body }) })).status

describe('reading', () => {
  test.each([
    ['applicant', 403],
    ['executor', 403],
    ['manager', 200],
    ['admin', 200],
  ] as const)('an %s reads themselves, and others with %d', async (role, others) => {
    const { user, token } = people[role]
    const stranger = await service.signIn('applicant')

    expect(await statusOf('GET', `/${user.id}`, token)).toBe(200)
    expect(await statusOf('GET', `/${stranger.user.id}`, token)).toBe(others)
    expect(await statusOf('GET', '', token)).toBe(others)
  })

  test('who may not read others does not learn which exist', async () => {
    expect(await statusOf('GET', '/999999', people.applicant.token)).toBe(403)
    expect(await statusOf('PATCH', '/999999', people.applicant.token, { first_name: 'Ada' })).toBe(403)
  })
})

describe('making users', () => {
  test.each([
    ['applicant', []],
    ['executor', []],
    ['manager', ['applicant', 'executor']],
    ['admin', ['applicant', 'executor', 'manager', 'admin']],
  ] as const)('an %s makes %p', async (role, allowed) => {
    const statuses = await Promise.all(
      roles.map((given) => statusOf('POST', '', people[role].token, { first_name: 'Ada', role: given })),
    )

    expect(roles.filter((_, index) => statuses[index] === 201)).toEqual([...allowed])
    expect(statuses.filter((status) => status !== 201 && status !== 403)).toEqual([])
  })
})

describe('oneself', () => {
  test.each(['applicant', 'executor', 'manager'] as const)(
    'an %s changes names and phone alone',
    async (role) => {
      const { user, token } = await service.signIn(role)
      const own = { first_name: 'New name', last_name: 'Newer', phone: '12345' }

      const allowed = await statusOf('PATCH', `/${user.id}`, token, own)
      const refused = await Promise.all(
        [{ role: 'admin' }, { role: 'executor' }, { email: 'mine@example.org' }, { telegram_id: 7 }].map(
          (change) => statusOf('PATCH', `/${user.id}`, token, { first_name: 'Ada', ...change }),
        ),
      )

      expect(allowed).toBe(200)
      expect(refused).toEqual([403, 403, 403, 403])
      const { body } = await service.call<User>('GET', `/api/users/${user.id}`, { token })
      expect(body).toMatchObject({ ...own, role, email: null })
    },
  )

  test('nobody below an admin verifies or deactivates themselves', async () => {
    for (const role of ['applicant', 'executor', 'manager'] as const) {
      const { user, token } = await service.signIn(role)

      expect(await statusOf('POST', `/${user.id}/verify`, token)).toBe(403)
      expect(await statusOf('DELETE', `/${user.id}`, token)).toBe(403)
    }
  })
})

describe('a manager', () => {
  test.each([
    ['applicant', 200],
    ['executor', 200],
    ['manager', 403],
    ['admin', 403],
  ] as const)('changes and verifies an %s: %d', async (role, status) => {
    const { user } = await service.signIn(role)

    expect(await statusOf('PATCH', `/${user.id}`, people.manager.token, { first_name: 'Ada' })).toBe(status)
    expect(await statusOf('POST', `/${user.id}/verify`, people.manager.token)).toBe(status)
  })

  test('raises nobody to their own level', async () => {
    const { user } = await service.signIn('applicant')

    const raised = await statusOf('PATCH', `/${user.id}`, people.manager.token, { role: 'manager' })
    const moved = await statusOf('PATCH', `/${user.id}`, people.manager.token, { role: 'executor' })

    expect([raised, moved]).toEqual([403, 200])
  })

  test('deactivates nobody and reads no audit trail', async () => {
    const { user } = await service.signIn('applicant')

    const audit = await service.call('GET', '/api/audit', { token: people.manager.token })

    expect(await statusOf('DELETE', `/${user.id}`, people.manager.token)).toBe(403)
    expect(audit.status).toBe(403)
  })
})
