import { describe, expect, test } from 'bun:test'
import { currentRequest, problemErrors, requestContext, sharedProblems } from '@kiln/shared/http'
import type { LoggerOptions } from '@kiln/shared/observability'
import { Elysia } from 'elysia'
import { loggedLines } from '../../support/logged-lines.ts'

function capture(options: Partial<LoggerOptions> = {}) {
  const { lines, ...logging } = loggedLines({
    level: 'INFO',
    context: () => ({ correlation_id: currentRequest()?.correlationId }),
    ...options,
  })
  const app = new Elysia()
    .use(
      requestContext({
        observers: [
          (context, status, durationMs) =>
            logging.accessLog(
              {
                ...context,
                ...(context.route === '/users/:id' && { principal: { userId: 7, role: 'admin' } }),
              },
              status,
              durationMs,
            ),
        ],
      }),
    )
    .use(
      problemErrors({
        problems: sharedProblems,
        report: (error, code) => logging.logger.error({ err: error, code }, 'request failed'),
      }),
    )
    .get('/users/:id', () => 'someone')
    .get('/fails', () => {
      throw new Error('above', { cause: new Error('between', { cause: new TypeError('below') }) })
    })
  const ask = (path: string) =>
    app.handle(new Request(`http://localhost${path}`, { headers: { 'x-correlation-id': 'some-id' } }))
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { ...logging, lines, parsed, ask }
}

describe('a request', () => {
  test('leaves one line of JSON', async () => {
    const { ask, lines, parsed } = capture()

    await ask('/users/4711?token=secret')

    expect(lines.join('')).toMatch(/^[^\n]+\n$/)
    expect(parsed()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'some-service',
        correlation_id: 'some-id',
        trace_id: expect.stringMatching(/^[\da-f]{32}$/),
        span_id: expect.stringMatching(/^[\da-f]{16}$/),
        method: 'GET',
        route: '/users/:id',
        status: 200,
        duration_ms: expect.any(Number),
        user_id: 7,
        msg: 'request',
      },
    ])
  })

  test('for an unknown path leaves one without the path, which is anybody’s text', async () => {
    const { ask, lines, parsed } = capture()

    await ask('/nowhere/secret-in-the-path')

    expect(parsed()).toMatchObject([{ route: null, status: 404 }])
    expect(lines[0]).not.toContain('secret')
  })

  test('leaves none below the level', async () => {
    const { ask, lines } = capture({ level: 'warn' })

    await ask('/users/4711')

    expect(lines).toEqual([])
  })

  test('that fails leaves one line of the error, with its causes, and one of the request', async () => {
    const { ask, parsed } = capture()

    await ask('/fails')

    const [error, access] = parsed()
    expect(parsed()).toHaveLength(2)
    expect(error).toMatchObject({
      level: 'error',
      code: 'INTERNAL_ERROR',
      correlation_id: 'some-id',
      err: {
        type: 'Error',
        message: 'above',
        stack: expect.stringContaining('above'),
        cause: { message: 'between', cause: { type: 'TypeError', message: 'below' } },
      },
    })
    expect(access).toMatchObject({ status: 500, msg: 'request', correlation_id: 'some-id' })
  })
})

describe('a log line', () => {
  test.each([
    'password',
    'old_password',
    'new_password',
    'password_hash',
    'token',
    'access_token',
    'refresh_token',
    'authorization',
    'cookie',
    'email',
    'phone',
    'first_name',
    'last_name',
  ])('masks %s, also within objects', (field) => {
    const { logger, lines, parsed } = capture()

    logger.info({
      [field]: 'planted',
      body: { [field]: 'planted', user: { [field]: 'planted' } },
      kept: 'kept',
    })

    expect(lines.join('')).not.toContain('planted')
    expect(parsed()).toMatchObject([{ [field]: '[redacted]', kept: 'kept' }])
  })

  test('of a database error leaves out the values of the row', () => {
    const { logger, lines } = capture()
    const error = Object.assign(new Error('duplicate key'), {
      detail: 'Key (email)=(planted)',
      where: 'planted',
    })

    logger.error({ err: error }, 'failed')

    expect(lines.join('')).toContain('duplicate key')
    expect(lines.join('')).not.toContain('planted')
  })

  test('of an error that is its own cause has an end', () => {
    const { logger, lines } = capture()
    const error = new Error('circular')
    error.cause = error

    logger.error({ err: error }, 'failed')

    expect(lines).toHaveLength(1)
  })

  test('for people says the same on one line, without braces around it', async () => {
    const { ask, flush, lines, logger } = capture({ format: 'text' })

    await ask('/users/4711')
    logger.warn({ port: 8000, password: 'planted' }, 'look here')
    await flush()

    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/INFO.*request.*"route":"\/users\/:id".*"status":200/)
    expect(lines[1]).toMatch(/WARN.*look here.*8000/)
    expect(lines.join('')).not.toContain('planted')
  })
})
