import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { repeatsName } from '../../../../shared/http/json-safety.ts'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

let service: TestService
let token: string
beforeAll(async () => {
  service = await createTestService()
  token = (await service.signIn('admin')).token
})
afterAll(() => service.close())

const post = (body: string) =>
  service.call<{ readonly code: string; readonly detail: string; readonly first_name: string }>(
    'POST',
    '/api/users',
    { token, body, headers: { 'content-type': 'application/json' } },
  )

describe('two fields of one name, of which parsers take the first or the last, are refused', () => {
  test.each([
    ['side by side', '{"first_name":"Ann","first_name":"zq7marker"}'],
    ['with others between them', '{"first_name":"Ann","last_name":"Lee","first_name":"zq7marker"}'],
    ['the same value twice', '{"first_name":"zq7marker","first_name":"zq7marker"}'],
    ['in another spelling', '{"first_name":"Ann","first\\u005fname":"zq7marker"}'],
    ['that is empty', '{"":1,"":2}'],
    ['of every object', '{"__proto__":{},"first_name":"Ann","__proto__":{}}'],
    ['below others', '{"first_name":"Ann","last_name":[{"a":[{"b":1,"b":"zq7marker"}]}]}'],
    ['after texts that look like JSON', '{"first_name":"\\"a\\":1,\\\\","last_name":"{","last_name":"}"}'],
  ])('%s', async (_, body) => {
    const answer = await post(body)

    expect(answer.status).toBe(400)
    expect(answer.body.code).toBe('BODY_INVALID')
    expect(answer.body.detail).toBe('An object of the body has two fields of one name')
    expect(JSON.stringify(answer.body)).not.toContain('zq7marker')
  })

  test('and quotes, colons and backslashes in texts are not', async () => {
    const name = '":{}\\"\\\\":\\'

    const answer = await post(JSON.stringify({ first_name: name, last_name: ':' }))

    expect(answer.status).toBe(201)
    expect(answer.body.first_name).toBe(name)
  })
})

describe('an object repeats a name', () => {
  test.each([
    ['null'],
    ['":"'],
    ['[[],{},[{}]]'],
    ['{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}'],
    ['{"__proto__":{"__proto__":{"a":[1,null]}},"b":null}'],
    ['{"A":1,"a":1,"a ":1,"\\u0061b":1}'],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ])('not in %.60s', (json) => {
    expect(repeatsName(json, JSON.parse(json))).toBe(false)
  })

  test.each([
    ['{"a":1,"a":1}'],
    ['[1,{"b":{"a":1,"\\u0061":1}}]'],
    [`{${Array.from({ length: 10_000 }, (_, n) => `"k${n % 9_999}":0`).join()}}`],
  ])('in %.60s', (json) => {
    expect(repeatsName(json, JSON.parse(json))).toBe(true)
  })
})
