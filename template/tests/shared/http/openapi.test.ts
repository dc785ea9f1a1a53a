import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

interface Operation {
  readonly security?: unknown[]
  readonly parameters?: { name: string; in: string; required?: boolean; schema: Record<string, unknown> }[]
  readonly requestBody?: { content: Record<string, unknown> }
  readonly responses: Record<
    string,
    { $ref?: string; description?: string; content?: Record<string, unknown> }
  >
}

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { responses: Record<string, { content: Record<string, unknown> }> }
}

let service: TestService
let document: Document
beforeAll(async () => {
  service = await createTestService()
  document = (await service.call<Document>('GET', '/docs/json')).body
})
afterAll(() => service.close())

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate({ ...document })

    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(document.openapi).toStartWith('3.1.')
  })

  test('lists every route of the API', () => {
    const routes = service.app.routes
      .filter(({ path }) => path.startsWith('/api'))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)

    const listed = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )

    expect(routes.length).toBeGreaterThan(12)
    expect(listed).toEqual(expect.arrayContaining(routes))
  })

  test('says of every operation how its errors are answered', () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))

    expect(operations.map(({ responses }) => responses.default?.$ref)).toEqual(
      operations.map(() => '#/components/responses/Problem'),
    )
    expect(Object.keys(document.components.responses.Problem?.content ?? {})).toEqual([
      'application/problem+json',
    ])
  })

  test('asks for a token where the route does', () => {
    expect(document.paths['/api/users']?.get?.security).toEqual([{ bearerAuth: [] }])
    expect(document.paths['/api/auth/me']?.get?.security).toEqual([{ bearerAuth: [] }])
    expect(document.paths['/api/auth/login']?.post?.security).toBeUndefined()
    expect(document.paths['/api/my-endpoint']?.get?.security).toBeUndefined()
  })

  test('shows numbers of paths and queries as integers with their limits', () => {
    const list = document.paths['/api/users']?.get?.parameters
    const read = document.paths['/api/users/{id}']?.get?.parameters

    expect(list?.find(({ name }) => name === 'limit')).toMatchObject({
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    })
    expect(read).toMatchObject([
      { name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } },
    ])
  })

  test('takes JSON bodies alone', () => {
    const body = document.paths['/api/users']?.post?.requestBody

    expect(Object.keys(body?.content ?? {})).toEqual(['application/json'])
  })
})
