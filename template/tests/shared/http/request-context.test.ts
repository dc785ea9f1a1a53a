import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { RequestContext } from '@kiln/shared/http'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

const seen: { context: RequestContext; status: number; durationMs: number }[] = []

let service: TestService
let token: string
beforeAll(async () => {
  service = await createTestService(
    {},
    { observers: [(context, status, durationMs) => seen.push({ context, status, durationMs })] },
  )
  token = (await service.signIn('admin')).token
})
afterAll(() => service.close())

describe('the correlation id', () => {
  test.each([['abc-123'], ['a.b:c@d_e'], ['x'.repeat(128)]])('%.20s is given back', async (id) => {
    const { headers } = await service.call('GET', '/live', { headers: { 'x-correlation-id': id } })

    expect(headers.get('x-correlation-id')).toBe(id)
  })

  test.each([['x'.repeat(129)], ['a b'], ['<script>'], ['"quoted"'], ['{"a":1}'], ['']])(
    '%.20s is replaced by a new one',
    async (id) => {
      const { headers } = await service.call('GET', '/live', { headers: { 'x-correlation-id': id } })

      expect(headers.get('x-correlation-id')).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
    },
  )

  test('is another one for each request, and stands in each error', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => service.call('GET', '/nowhere')))

    const ids = answers.map(({ headers }) => headers.get('x-correlation-id'))
    expect(new Set(ids).size).toBe(3)
    expect(answers.map(({ body }) => body.correlation_id)).toEqual(ids)
  })
})

describe('an observer is told once of each request', () => {
  test.each([
    ['GET', '/live', '/live', 200],
    ['GET', '/api/users/4711', '/api/users/:id', 404],
    ['GET', '/api/users/nonsense', '/api/users/:id', 422],
    ['GET', '/nowhere/at/all', undefined, 404],
    ['PUT', '/api/users', undefined, 405],
    ['POST', '/api/auth/login', '/api/auth/login', 422],
  ])('%s %s is the route %s', async (method, path, route, status) => {
    seen.length = 0

    await service.call(method, path, { token, ...(method === 'POST' && { body: {} }) })

    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ status, context: { route } })
    expect(seen[0]?.durationMs).toBeGreaterThan(0)
  })

  test('with the user, where there is one', async () => {
    seen.length = 0

    await service.call('GET', '/protected', { token })
    await service.call('GET', '/protected')

    expect(seen.map(({ context }) => context.principal?.role)).toEqual(['admin', undefined])
  })
})

test('requests at the same time keep their contexts apart', async () => {
  const people = await Promise.all(Array.from({ length: 20 }, () => service.signIn('applicant')))

  const answers = await Promise.all(
    people.map(({ user, token }, index) =>
      service.call('GET', `/api/users/${user.id}`, { token, headers: { 'x-correlation-id': `id-${index}` } }),
    ),
  )

  expect(answers.map(({ body }) => body.id)).toEqual(people.map(({ user }) => user.id))
  expect(answers.map(({ headers }) => headers.get('x-correlation-id'))).toEqual(
    people.map((_, i) => `id-${i}`),
  )
})
