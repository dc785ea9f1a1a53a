import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { workFields } from '@kiln/shared/context'
import { createLogger, type Logging } from '@kiln/shared/observability'
import { createTestService, type TestService } from '../support/service.ts'

const forgery = '"}\n{"level":"fatal","service":"example-service","msg":"forged"}'
/** For the header fields and paths of a client that writes its bytes itself. */
const inHeaders = [
  '","level":"fatal","msg":"forged","x":"',
  '\\","level":"fatal',
  '\u001b[2J\u001b[31mforged',
  '\u0085\u00ff forged',
  'x'.repeat(4_000),
  '%0a{"level":"fatal"}',
]
const inTexts = [...inHeaders, forgery, '\r\nforged', '\u2028\u2029\u202eforged', '\ud800', '\0', '\b\f']

describe.each(['json', 'text'] as const)('what clients send, in a log of %s,', (format) => {
  const written: string[] = []
  let logging: Logging
  let service: TestService
  let token: string
  beforeAll(async () => {
    const destination = { write: (line: string) => written.push(line) }
    logging = createLogger({
      service: 'example-service',
      level: 'trace',
      format,
      context: workFields,
      destination,
    })
    service = await createTestService({}, { observers: [logging.accessLog] })
    token = (await service.signIn('admin')).token
  })
  afterAll(() => service.close())

  async function attack(): Promise<void> {
    const names = [
      'x-correlation-id',
      'user-agent',
      'x-forwarded-for',
      'traceparent',
      'tracestate',
      'baggage',
      'accept',
      'origin',
    ]
    for (const value of inHeaders) {
      const headers = Object.fromEntries(names.map((name) => [name, value]))
      await service.call('GET', '/api/my-endpoint', { headers })
      await service.call('GET', '/api/users/0', { token, headers })
    }
    for (const value of inTexts) {
      const text = encodeURIComponent(value.toWellFormed())
      await service.call('GET', `/${text}`)
      await service.call('GET', `/api/users/${text}?cursor=${text}`, { token })
      await service.call('GET', `/api/audit?entity=${text}`, { token })
      await service.call('POST', '/api/users', {
        token,
        body: { first_name: value, last_name: value, [value]: value },
      })
      await service.call('POST', '/api/users', { token, body: { first_name: 'Ada', last_name: value } })
      await service.call('GET', '/protected', { headers: { authorization: `Bearer ${text}` } })
    }
    // One is enough: to look at a password is dear.
    await service.call('POST', '/api/auth/login', { body: { email: forgery, password: forgery } })
    for (const { error, code } of service.reported)
      logging.logger.error({ err: error, code }, 'request failed')
    for (const value of inTexts)
      logging.logger.warn({ err: new Error(value, { cause: new Error(value) }), value }, 'an event')
    await logging.flush()
  }

  test('begins no line of its own', async () => {
    await attack()

    if (format === 'text') {
      // The causes of an error stand below it, set in.
      expect(
        written.filter((text) => !/^\[[\d:.]+\] [A-Z]+: [a-z ]+ \{[^\n]*\}\n(?: [^\n]*\n)*$/.test(text)),
      ).toEqual([])
      return
    }
    const lines = written.join('').split('\n').filter(Boolean)
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines).toHaveLength(written.length)
    expect(new Set(parsed.map(({ level, msg }) => `${level} ${msg}`))).toEqual(
      new Set(['info request', 'warn an event']),
    )
    expect(parsed.filter(({ service: by }) => by !== 'example-service')).toEqual([])
    // A terminal would obey them.
    expect(lines.filter((line) => [...line].some((character) => character < ' '))).toEqual([])
  })
})
