import { describe, expect, test } from 'bun:test'
import { jsonBody, problemErrors, sharedProblems } from '@kiln/shared/http'
import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'

const marker = 'zq7marker'

describe('unknown fields are named wherever they are', () => {
  const Line = Type.Object({
    name: Type.String(),
    tags: Type.Optional(Type.Record(Type.String(), Type.String())),
  })
  const Body = Type.Object({
    lines: Type.Array(Line),
    owner: Type.Optional(Type.Union([Line, Type.Null()])),
    both: Type.Optional(Type.Intersect([Line, Type.Object({ extra: Type.String() })])),
  })
  const app = new Elysia()
    .use(problemErrors({ problems: sharedProblems, report: () => {} }))
    .use(jsonBody({ maxBytes: 100_000 }))
    .post('/', ({ body }) => body, { body: Body })
  const post = async (body: unknown) => {
    const headers = { 'content-type': 'application/json' }
    const response = await app.handle(
      new Request('http://localhost/', { method: 'POST', headers, body: JSON.stringify(body) }),
    )
    const answer = (await response.json()) as { errors?: { path: string }[] }
    return { status: response.status, paths: answer.errors?.map(({ path }) => path) }
  }

  test.each([
    ['in a list', { lines: [{ name: 'a' }, { name: 'b', x: marker }] }, '/lines/1/x'],
    ['in a nullable object', { lines: [], owner: { name: 'a', x: marker } }, '/owner/x'],
    ['in an intersection', { lines: [], both: { name: 'a', extra: 'b', x: marker } }, '/both/x'],
  ])('%s', async (_, body, path) => {
    const { status, paths } = await post(body)

    expect(status).toBe(422)
    expect(paths).toEqual([path])
  })

  test('but a map takes any key', async () => {
    const { status } = await post({ lines: [{ name: 'a', tags: { any: 'b' } }], owner: null })

    expect(status).toBe(200)
  })
})
