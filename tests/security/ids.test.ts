import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestService, type TestService } from '../support/service.ts'

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly security?: readonly unknown[] }>>>
  >
}

/** Who gets further than 403 with somebody else's id. A new route with an id needs a line here. */
const mayUse: Readonly<Record<string, readonly string[]>> = {
  'POST /api/users/{id}/password-token': ['admin'],
  'GET /api/users/{id}': ['manager', 'admin'],
  'PATCH /api/users/{id}': ['manager', 'admin'],
  'DELETE /api/users/{id}': ['admin'],
  'POST /api/users/{id}/verify': ['manager', 'admin'],
  'POST /api/events/subscriptions/{subscription}/pause': ['admin'],
  'POST /api/events/subscriptions/{subscription}/resume': ['admin'],
  'GET /api/events/subscriptions/{subscription}/dead-letters': ['admin'],
  'GET /api/events/subscriptions/{subscription}/dead-letters/{tag}/{entry}': ['admin'],
  'POST /api/events/subscriptions/{subscription}/dead-letters/redrive': ['admin'],
  'POST /api/events/subscriptions/{subscription}/dead-letters/purge': ['admin'],
  'GET /api/events/replays/{id}': ['admin'],
  'POST /api/events/replays/{id}/cancel': ['admin'],
}
const bodies: Readonly<Record<string, unknown>> = {
  'PATCH /api/users/{id}': { first_name: 'Taken over' },
  'POST /api/events/subscriptions/{subscription}/dead-letters/redrive': { all: true },
  'POST /api/events/subscriptions/{subscription}/dead-letters/purge': { all: true },
}
const roles = ['applicant', 'executor', 'manager', 'admin'] as const

let service: TestService
beforeAll(async () => {
  service = await createTestService()
})
afterAll(() => service.close())

describe('using the id of somebody else', () => {
  test('is tried on every route that takes one', async () => {
    const { body } = await service.call<Document>('GET', '/docs/json')

    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(routes.filter((route) => route.includes('{')).sort()).toEqual(Object.keys(mayUse).sort())
  })

  test.each(Object.keys(mayUse))('%s is for whom it says', async (route) => {
    const [method = '', path = ''] = route.split(' ')
    const allowed: string[] = []

    for (const role of roles) {
      const victim = await service.signIn('applicant')
      const { token } = await service.signIn(role)
      const target = path
        .replace('/users/{id}', `/users/${victim.user.id}`)
        .replace('{subscription}', 'notify-dispatcher')
        .replace('{entry}', '1-1')
        .replace(/\{\w+\}/g, 'some')
      const { status } = await service.call(method, target, { token, body: bodies[route] })
      if (status !== 403) allowed.push(role)
    }
    const stranger = await service.call(method, path.replace(/\{\w+\}/g, '1'))

    expect(allowed).toEqual([...(mayUse[route] ?? [])])
    expect(stranger.status).toBe(401)
  })
})

describe('gaining a role through a body', () => {
  test.each(['applicant', 'executor', 'manager'] as const)(
    '%s gives nobody more than they may',
    async (role) => {
      const { user, token } = await service.signIn(role)

      for (const wanted of ['manager', 'admin'] as const) {
        const self = await service.call('PATCH', `/api/users/${user.id}`, { token, body: { role: wanted } })
        const made = await service.call('POST', '/api/users', {
          token,
          body: { first_name: 'Made', role: wanted },
        })
        expect([role === wanted ? 403 : self.status, made.status]).toEqual([403, 403])
      }
      const admin = await service.signIn('admin')
      const { body } = await service.call('GET', `/api/users/${user.id}`, { token: admin.token })
      expect(body).toMatchObject({ role })
    },
  )

  test.each([
    'id',
    'password_hash',
    'token_version',
    'verified_at',
    'created_at',
    'updated_at',
    'deactivated_at',
    'userId',
    'Role',
    '__proto__',
    'constructor',
    'prototype',
  ])('a field %s is refused, and nothing is saved', async (field) => {
    const { user, token } = await service.signIn('admin', { first_name: 'Before' })
    const body = `{"first_name":"After","${field}":{"role":"admin"}}`

    const changed = await service.call('PATCH', `/api/users/${user.id}`, { token, body })
    const made = await service.call('POST', '/api/users', { token, body })

    expect([changed.status, made.status]).toEqual([422, 422])
    expect(({} as { role?: unknown }).role).toBeUndefined()
    const { body: kept } = await service.call('GET', `/api/users/${user.id}`, { token })
    expect(kept).toMatchObject({ first_name: 'Before' })
  })
})
