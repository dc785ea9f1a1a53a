import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { findRedisBinary, type KeptServer, startPostgres, startRedis } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { descendants } from '../support/processes.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(90_000)

const page = resolve(import.meta.dirname, '../../../docs/RESILIENCE.md')
const binary = findRedisBinary() ?? ''

const endpoints = [
  ['GET', '/live'],
  ['GET', '/ready'],
  ['GET', '/health'],
  ['GET', '/metrics'],
  ['GET', '/docs/json'],
  ['GET', '/api/auth/me'],
  ['POST', '/api/auth/login', { email: 'nobody@example.com', password: 'correct horse battery' }],
  ['GET', '/api/users'],
  ['GET', '/api/users/1'],
  ['POST', '/api/users', { first_name: 'Ann' }],
  ['GET', '/api/events/subscriptions'],
] as const

type Service = Awaited<ReturnType<typeof startWithAdmin>>

/** `503 DATABASE_UNAVAILABLE`, `200 degraded`, `201`. */
async function answerOf(service: Service, [method, path, body]: (typeof endpoints)[number]): Promise<string> {
  const response = await service.call(method, path, body)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  const { code, status } = isJson ? (JSON.parse(text) as { code?: string; status?: unknown }) : {}
  const said = code ?? (typeof status === 'string' ? status : undefined)
  return said === undefined ? `${response.status}` : `${response.status} ${said}`
}

const answers: Record<string, readonly string[]> = {}

async function takeDown(state: string, service: Service): Promise<void> {
  answers[state] = await Promise.all(endpoints.map((endpoint) => answerOf(service, endpoint)))
}

/** Gives what lets it go on. The processes of its connections are frozen too. */
function freezing({ pid }: KeptServer) {
  const processes = [pid, ...descendants(pid)]
  const signal = (name: NodeJS.Signals) => {
    for (const process_ of processes) process.kill(process_, name)
  }
  signal('SIGSTOP')
  return () => signal('SIGCONT')
}

const inState = (service: Service, path: string, status: number, body: object) =>
  eventually(
    async () => {
      const response = await fetch(`${service.url}${path}`)
      expect(response.status).toBe(status)
      expect(await response.json()).toMatchObject(body)
    },
    { timeoutMs: 30_000 },
  )

describe.skipIf(!binary)('with the real servers away', () => {
  let postgres: KeptServer
  let redis: KeptServer
  let service: Service
  beforeAll(async () => {
    ;[postgres, redis] = await Promise.all([startPostgres(), startRedis({ server: { binary } })])
    service = await startWithAdmin({
      SERVICE_DATABASE_URL: postgres.url,
      SERVICE_REDIS_URL: redis.url,
      SERVICE_DATABASE_CONNECT_TIMEOUT_MS: '1000',
      SERVICE_DATABASE_STATEMENT_TIMEOUT_MS: '1000',
      SERVICE_REDIS_TIMEOUT_MS: '500',
    })
    await service.relayed()
    await takeDown('all there', service)
  })
  afterAll(async () => {
    await service?.other.events.close()
    await service?.other.transports.close()
    await service?.close()
    await redis?.stop()
    await postgres?.stop()
  })

  const isWell = () => inState(service, '/health', 200, { status: 'up', breakers: { status: 'up' } })

  test.each(['killed', 'frozen'])(
    'Redis %s, writes go on, and their events are sent afterwards',
    async (how) => {
      const thaw = how === 'frozen' ? freezing(redis) : undefined
      if (how === 'killed') process.kill(redis.pid, 'SIGKILL')
      await inState(service, '/health', 200, { status: 'degraded', redis: { status: 'down' } })
      await inState(service, '/ready', 200, { status: 'degraded' })

      await takeDown(`Redis ${how}`, service)
      const written = await service.call('POST', '/api/users', { first_name: `${how}` })
      if (thaw) thaw()
      else await redis.restart()

      expect(written.status).toBe(201)
      const { id } = (await written.json()) as { id: number }
      await eventually(
        async () => {
          const events = await service.other.publishedTo('user')
          expect(events.map(({ data }) => JSON.parse(data).user_id)).toContain(id)
        },
        { timeoutMs: 30_000 },
      )
      await isWell()
    },
  )

  test.each(['killed', 'frozen'])(
    'PostgreSQL %s, requests fail at once; it comes back without a restart',
    async (how) => {
      const thaw = how === 'frozen' ? freezing(postgres) : undefined
      if (how === 'killed') process.kill(postgres.pid, 'SIGKILL')
      await eventually(
        async () => {
          const startedAtMs = performance.now()
          const requests = Array.from({ length: 5 }, () => service.call('GET', '/api/users'))
          const codes = (await Promise.all(requests)).map(({ status }) => status)
          expect(codes).toEqual(Array(5).fill(503))
          expect(performance.now() - startedAtMs).toBeLessThan(500)
        },
        { timeoutMs: 30_000 },
      )

      const metrics = await (await fetch(`${service.url}/metrics`)).text()
      await inState(service, '/ready', 503, { status: 'down' })
      // What is known of ended logins counts for five seconds.
      await eventually(async () => expect((await service.call('GET', '/api/auth/me')).status).toBe(503), {
        timeoutMs: 30_000,
      })
      await eventually(
        async () => {
          await takeDown(`PostgreSQL ${how}`, service)
          expect(answers[`PostgreSQL ${how}`]?.join()).not.toContain('DATABASE_TIMEOUT')
        },
        { timeoutMs: 30_000 },
      )
      if (thaw) thaw()
      else await postgres.restart()

      expect(metrics).toMatch(/circuit_breaker_state\{name="database"\} [12]/)
      await inState(service, '/ready', 200, { status: 'ready' })
      await eventually(async () => expect((await service.call('GET', '/api/users')).status).toBe(200))
      await isWell()
    },
  )

  test('the answers are those of docs/RESILIENCE.md', () => {
    const states = Object.keys(answers)
    const rows = endpoints.map(([method, path], row) =>
      [`\`${method} ${path}\``, ...states.map((state) => answers[state]?.[row] ?? '')].join(' | '),
    )
    const table = [
      `| | ${states.join(' | ')} |`,
      `|${'---|'.repeat(states.length + 1)}`,
      ...rows.map((row) => `| ${row} |`),
    ]
    const text = readFileSync(page, 'utf8')
    const expected = text.replace(
      /(<!-- answers -->\n)[\s\S]*(<!-- \/answers -->)/,
      (_, begin, end) => `${begin}\n${table.join('\n')}\n\n${end}`,
    )

    if (process.env.UPDATE_DOCS) writeFileSync(page, expected)
    else expect(text).toBe(expected)
  })
})
