import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

/** Stands in every bad request; must not stand in an answer. */
const marker = 'zq7marker'

interface ProblemBody {
  readonly code: string
  readonly errors?: { path: string; message: string }[]
}

let service: TestService
let token: string
beforeAll(async () => {
  service = await createTestService({ SERVICE_MAX_BODY_BYTES: '4096', SERVICE_BODY_TIMEOUT_MS: '300' })
  token = (await service.signIn('admin')).token
})
afterAll(() => service.close())

const post = (body: unknown, headers: Record<string, string> = {}) =>
  service.call<ProblemBody>('POST', '/api/users', {
    token,
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
const nested = (depth: number) => `${'['.repeat(depth)}"${marker}"${']'.repeat(depth)}`
const bytes = (...parts: (string | number[])[]) =>
  new Uint8Array(
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))),
  )

describe('a body that cannot be read is refused', () => {
  test.each([
    ['broken off', `{"first_name":"${marker}"`],
    ['without quotes', `{first_name:${marker}}`],
    ['with NaN', `{"first_name":"${marker}","telegram_id":NaN}`],
    ['with a raw line break in a text', `{"first_name":"${marker}\n"}`],
    ['with a comment', `{"first_name":"${marker}"} // ${marker}`],
    ['nothing but blanks', '   '],
  ])('%s', async (_, body) => {
    const answer = await post(body)

    expect(answer.status).toBe(400)
    expect(answer.body.code).toBe('BODY_INVALID')
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  })

  test.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a text broken off', [0xf0, 0x9f]],
  ])('invalid UTF-8: %s', async (_, invalid) => {
    const answer = await post(bytes(`{"first_name":"${marker}`, invalid, '"}'))

    expect(answer.status).toBe(400)
    expect(answer.body.code).toBe('BODY_INVALID')
  })

  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/xml'],
    ['application/octet-stream'],
    ['nonsense'],
  ])('content type %s', async (type) => {
    const answer = await post(`{"first_name":"${marker}"}`, { 'content-type': type })

    expect(answer.status).toBe(415)
    expect(answer.body.code).toBe('MEDIA_TYPE_UNSUPPORTED')
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  })

  test.each([['gzip'], ['br'], ['deflate'], ['zstd'], ['GZIP'], ['identity, gzip'], ['unheard-of']])(
    'compressed by %s, whatever it would grow to',
    async (encoding) => {
      const bomb = Bun.gzipSync(new Uint8Array(1_000_000))

      const answer = await post(bomb, { 'content-encoding': encoding })

      expect(answer.status).toBe(415)
      expect(answer.body.code).toBe('CONTENT_ENCODING_UNSUPPORTED')
      expect(answer.headers.get('accept-encoding')).toBe('identity')
    },
  )

  test('not done after the time that a body may take, and its connection is closed', async () => {
    const stuck = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"first_name":'))
      },
    })

    const answer = await post(stuck)

    expect(answer.status).toBe(408)
    expect(answer.body.code).toBe('BODY_TOO_SLOW')
    expect(answer.headers.get('connection')).toBe('close')
  })

  test('above the limit, by its Content-Length', async () => {
    const body = JSON.stringify({ first_name: marker.repeat(1000) })

    const answer = await post(body, { 'content-length': String(body.length) })

    expect(answer.status).toBe(413)
    expect(answer.body.code).toBe('BODY_TOO_LARGE')
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  })

  test('above the limit, in chunks, without being read to its end', async () => {
    let pulls = 0
    const endless = new ReadableStream({
      pull(controller) {
        pulls += 1
        controller.enqueue(new TextEncoder().encode(marker.repeat(100)))
      },
    })

    const answer = await post(endless)

    expect(answer.status).toBe(413)
    expect(pulls).toBeLessThan(20)
  })

  test('above the limit, whatever a smaller Content-Length says', async () => {
    const answer = await post(JSON.stringify({ first_name: marker.repeat(1000) }), { 'content-length': '10' })

    expect(answer.status).toBe(413)
  })
})

describe('a body of the wrong shape is refused with the place', () => {
  test.each<[string, unknown, string]>([
    ['an unknown field', { first_name: 'Ada', nickname: marker }, '/nickname'],
    ['a field with a slash and a tilde', { first_name: 'Ada', 'a/b~c': marker }, '/a~1b~0c'],
    ['__proto__', `{"first_name":"Ada","__proto__":{"role":"${marker}"}}`, '/__proto__'],
    ['constructor', { first_name: 'Ada', constructor: marker }, '/constructor'],
    ['a missing field', { last_name: 'Lovelace' }, '/first_name'],
    ['a number for a text', { first_name: 4711 }, '/first_name'],
    ['an object for a text', { first_name: { $ne: marker } }, '/first_name'],
    ['a list for a text', { first_name: [marker] }, '/first_name'],
    ['a text for a number', { first_name: 'Ada', telegram_id: marker }, '/telegram_id'],
    ['a numeric text for a number', { first_name: 'Ada', telegram_id: '12' }, '/telegram_id'],
    ['a fraction', { first_name: 'Ada', telegram_id: 1.5 }, '/telegram_id'],
    ['a negative id', { first_name: 'Ada', telegram_id: -1 }, '/telegram_id'],
    ['an unknown role', { first_name: 'Ada', role: marker }, '/role'],
    ['a name that is too long', { first_name: marker.repeat(6) }, '/first_name'],
    ['a name that is too short', { first_name: 'A' }, '/first_name'],
    ['a name of blanks', { first_name: '   ' }, '/first_name'],
    ['a name with a control character', { first_name: `${marker}\u0007x` }, '/first_name'],
    ['an e-mail without a dot', { first_name: 'Ada', email: `${marker}@host` }, '/email'],
    [
      'an e-mail that is too long',
      { first_name: 'Ada', email: `${marker.repeat(40)}@example.org` },
      '/email',
    ],
    ['a phone with letters', { first_name: 'Ada', phone: marker }, '/phone'],
    ['a list', [marker], '/first_name'],
    ['a text', JSON.stringify(marker), '/first_name'],
    ['null', 'null', ''],
  ])('%s', async (_, body, path) => {
    const answer = await post(body)

    expect(answer.status).toBe(422)
    expect(answer.body.code).toBe('VALIDATION_FAILED')
    expect(answer.body.errors?.map((error) => error.path)).toContain(path)
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  })

  test.each<[string, string, string]>([
    ['NUL', `{"first_name":"${marker}\\u0000"}`, '/first_name'],
    ['NUL in a key', `{"first_name":"Ada","x\\u0000":"${marker}"}`, ''],
    ['a lone high surrogate', `{"first_name":"${marker}\\ud800"}`, '/first_name'],
    ['a lone low surrogate', `{"first_name":"\\udc00${marker}"}`, '/first_name'],
    ['1e400', '{"first_name":"Ada","telegram_id":1e400}', '/telegram_id'],
    ['-1e400', '{"first_name":"Ada","telegram_id":-1e400}', '/telegram_id'],
    ['2^53', '{"first_name":"Ada","telegram_id":9007199254740992}', '/telegram_id'],
    ['a number of 400 digits', `{"first_name":"Ada","telegram_id":${'9'.repeat(400)}}`, '/telegram_id'],
    ['lists within lists', `{"first_name":"Ada","phone":${nested(1500)}}`, '/phone'],
    [
      'lists within lists in an unknown field',
      `{"first_name":"Ada","x":${nested(40)}}`,
      `/x${'/0'.repeat(32)}`,
    ],
  ])('%s', async (_, body, path) => {
    const answer = await post(body)

    expect(answer.status).toBe(422)
    expect(answer.body.code).toBe('VALIDATION_FAILED')
    expect(answer.body.errors?.map((error) => error.path)).toContain(path)
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  })

  test('with the largest exact number and a name of 50 characters it is taken', async () => {
    const answer = await post({ first_name: 'A'.repeat(50), telegram_id: Number.MAX_SAFE_INTEGER })

    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({ telegram_id: 9007199254740991 })
  })

  test('of too many mistakes the first twenty are named', async () => {
    const answer = await post(
      Object.fromEntries(
        Array.from({ length: 60 }, (_, index) => [index ? `x${index}` : 'first_name', marker]),
      ),
    )

    expect(answer.body.errors).toHaveLength(20)
  })
})

test.each([['['.repeat(4000)], [`${'['.repeat(2000)}${']'.repeat(2000)}`], ['{"a":'.repeat(800)]])(
  'nesting without end has an answer: %.12s',
  async (body) => {
    const { status } = await post(body)

    expect([400, 422]).toContain(status)
  },
)

test.each([['[]'], ['["zq7marker"]'], ['"zq7marker"'], ['null'], ['7'], ['{}']])(
  'a change must be an object that changes something, not %s',
  async (body) => {
    const { user } = await service.signIn('applicant')

    const answer = await service.call('PATCH', `/api/users/${user.id}`, {
      token,
      body,
      headers: { 'content-type': 'application/json' },
    })

    expect(answer.status).toBe(422)
    expect(JSON.stringify(answer.body)).not.toContain(marker)
  },
)

test('nothing that was refused reached the database or the error report', async () => {
  const rows = await service.db.selectFrom('users').selectAll().execute()

  expect(JSON.stringify(rows)).not.toContain(marker)
  expect(service.reported).toEqual([])
})

describe('a path that PostgreSQL or Redis could not take is refused', () => {
  test.each(['/api/events/subscriptions/%00/resume', '/api/events/replays/a%00b/cancel'])(
    '%s',
    async (path) => {
      const { status, body } = await service.call('POST', path, { token })

      expect(status).toBe(422)
      expect(body).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ message: 'must not contain NUL' }] })
    },
  )
})
