import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import packageJson from '../../package.json' with { type: 'json' }
import { RequestCreated } from '../../shared/events/contracts/request.ts'
import { breakerStates } from '../../shared/resilience/breaker.ts'
import { eventually } from '../../shared/testing/index.ts'
import { alertNames, dashboardFiles, readDashboard, readRules } from './support/deploy.ts'
import {
  keepDoing,
  keepGuessing,
  keepLoaded,
  keepRobbing,
  logIn,
  poison,
  requests,
  tooNew,
} from './support/load.ts'
import { startOtherService } from './support/other-service.ts'
import { chosen, type Prometheus, startPrometheus, until } from './support/prometheus.ts'
import {
  ageOutbox,
  fillUsers,
  holdUsers,
  inDatabase,
  type Services,
  startServices,
} from './support/services.ts'

setDefaultTimeout(90_000)

const jobs = {
  main: 'example-service',
  redisAway: 'redis-away',
  databaseAway: 'database-away',
  full: 'full',
  trimming: 'trimming',
} as const

/** Values that must not change under load, and why. */
const constant: Readonly<Record<string, string>> = {
  build_info: 'a process is of one version',
  db_client_connection_max: 'a setting',
}

let services: Services
let prometheus: Prometheus
const startedAt = Date.now() / 1000

beforeAll(async () => {
  services = await startServices()
  const urls = Object.entries(jobs).map(([name, job]) => ({
    job,
    url: services[name as keyof typeof jobs].url,
  }))
  // What starting took is in the first scrape.
  await Promise.all(urls.map(({ url }) => fetch(`${url}/metrics`)))
  prometheus = await startPrometheus(
    urls.map((target) => ({ ...target, everySeconds: target.job.endsWith('-away') ? 3 : 1 })),
  )
})
afterAll(async () => {
  await prometheus.stop()
  await services.close()
})

/** Waits until these alerts have fired. */
const firing = (job: string, ...alerts: string[]) =>
  until(async () => {
    const fired = await prometheus.fired()
    expect(alerts.filter((alert) => !fired.has(`${job} ${alert}`))).toEqual([])
  })

describe('a healthy run under load', () => {
  test('is scraped, every rule is evaluated, and no alert fires', async () => {
    const { main, databaseAway } = services
    const stops = [keepLoaded(main), keepDoing(() => fetch(`${databaseAway.url}/api/my-endpoint`))]

    await eventually(
      async () => {
        const [requests] = await prometheus.query(
          `http_server_request_duration_seconds_count{job="${jobs.main}",http_route="/api/users"}`,
        )
        expect(requests?.values[0]).toBeGreaterThan(100)
        const scraped = await prometheus.query('min by (job) (count_over_time(up[30s]))')
        expect(scraped).toHaveLength(5)
        for (const { values } of scraped) expect(values[0]).toBeGreaterThan(3)
      },
      { timeoutMs: 40_000, everyMs: 250 },
    )
    for (const stop of stops) await stop()

    const rules = await prometheus.rules()
    expect(rules.length).toBe(readRules().length)
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([])
    expect(await prometheus.query('up == 0')).toEqual([])
    expect([...(await prometheus.fired())]).toEqual([])
  })
})

describe('faults', () => {
  test.concurrent('events that are poison, or too new, and a row that cannot be read', async () => {
    const { main } = services

    await main.other.transports.streams.append('request', [...poison(3), tooNew('p1')])
    await inDatabase(main, (client) =>
      client.query(`insert into outbox (bucket, key, event) values (0, 'user/0', '{}')`),
    )
    await firing(jobs.main, 'DeadLetters', 'EventsParked', 'OutboxParked')

    // A counter with labels begins at its first event: it moves with the next.
    await main.other.transports.streams.append('request', [...poison(1), tooNew('p2')])
    for (const counter of ['event_dead_letters_total', 'event_parked_total'])
      await until(async () =>
        expect(await prometheus.query(`changes(${counter}{job="${jobs.main}"}[1m]) > 0`)).not.toBeEmpty(),
      )
  })

  test.concurrent('events are handled again, and handlers fail', async () => {
    const { main, redis } = services
    const { query } = prometheus
    const sent = `${main.prefix}:{notification}`

    await main.command(['events', 'replay', 'notify-dispatcher', '--last', '80', '--rate', '20'])
    await redis.del(sent)
    await redis.set(sent, 'no stream')
    await main.other.events.publishMany(RequestCreated, requests(4))
    await until(async () => expect(await query('rate(event_retries_total[6s]) > 0')).toHaveLength(1))
    await main.other.events.publishMany(RequestCreated, requests(100))
    await firing(jobs.main, 'SubscriptionWaits')
    await redis.del(sent)

    await until(async () =>
      expect(await query('event_subscription_waits_for_dependency == 0')).toHaveLength(1),
    )
  })

  test.concurrent('Redis is taken away, and comes back without what it held', async () => {
    const { redisAway, ownRedis } = services
    const { query } = prometheus
    const stop = keepGuessing(redisAway)
    const ofOutbox = (name: string) => query(`event_outbox_${name}_total{job="${jobs.redisAway}"} > 0`)
    const shown = async (title: string) => {
      const series = await prometheus.shown(title, jobs.redisAway, startedAt)
      return series.filter(({ metric }) => metric.name === 'redis')
    }
    const breaker = async () => breakerStates[(await shown('State of breakers'))[0]?.values.at(-1) ?? -1]

    await redisAway.command(['users', 'create', '--email', 'first@example.com'])
    await until(async () => expect(await ofOutbox('sent')).toHaveLength(1))
    process.kill(ownRedis.pid, 'SIGKILL')
    await redisAway.command(['users', 'create', '--email', 'someone@example.com'])
    await ageOutbox(redisAway, 1100)
    await firing(jobs.redisAway, 'RedisUnreachable', 'OutboxStalled', 'OutboxDeep', 'BacklogUnknown')
    await until(async () => expect(await breaker()).toBe('open'))
    await ownRedis.restart()

    await until(async () => expect(await breaker()).toBe('closed'))
    await until(async () => expect(await ofOutbox('redriven')).toHaveLength(1))
    const changed = (await shown('Changes of breakers')).filter(({ values }) => Math.max(...values) > 0)
    expect(changed.map(({ metric }) => metric.state).sort()).toEqual([...breakerStates])
    await stop()
  })

  test.concurrent('a lock is held with a pool of one connection; then PostgreSQL is killed', async () => {
    const { databaseAway, ownPostgres } = services
    const stops = Array.from({ length: 4 }, () => keepDoing(() => logIn(databaseAway)))

    await inDatabase(databaseAway, async (client) => {
      await client.query('begin; lock table users in access exclusive mode')
      await firing(jobs.databaseAway, 'PoolExhausted', 'RequestsSlow')
      process.kill(ownPostgres.pid, 'SIGKILL')
    })
    await firing(jobs.databaseAway, 'ErrorBudgetBurnsFast', 'ErrorBudgetBurnsSlowly', 'BacklogUnknown')
    await until(async () =>
      expect(await prometheus.query('changes(event_broadcasts_dropped_total[1m]) > 0')).toHaveLength(1),
    )

    for (const stop of stops) await stop()
  })

  test.concurrent('a process is killed three times, a stream is full, nobody consumes', async () => {
    const { full, redis, startAgain } = services
    const prefix = full.env.SERVICE_EVENTS_PREFIX ?? ''
    const other = await startOtherService(prefix)

    await holdUsers(redis, full)
    await fillUsers(redis, full, 6)
    full.signal('SIGKILL')
    for (const roles of ['http,consumers,relay', 'http,consumers,relay', 'http,relay']) {
      const seen = await prometheus.restarts(jobs.full)
      const { child } = await startAgain(full, '--roles', roles)
      await until(async () => expect(await prometheus.restarts(jobs.full)).toBe(seen + 1))
      if (roles.includes('consumers')) child.kill('SIGKILL')
    }
    await full.command(['users', 'create', '--email', 'someone@example.com'])
    await redis.xadd(`${prefix}:{request}`, `${Date.now() - 600_000}-0`, 'type', 'request.created')
    await other.events.publishMany(RequestCreated, requests(1100))

    await firing(jobs.full, 'Restarts', 'StreamFull', 'SubscriptionLags', 'EventsWaitTooLong')
    await other.close()
  })

  test.concurrent('a stream is trimmed, the process gets no time', async () => {
    const { trimming, redis, startAgain } = services
    const prefix = trimming.env.SERVICE_EVENTS_PREFIX ?? ''
    const group = `${packageJson.name}.notify-dispatcher`
    const { query } = prometheus
    const other = await startOtherService(prefix)

    await holdUsers(redis, trimming)
    await fillUsers(redis, trimming, 6)
    trimming.signal('SIGKILL')
    const first = await startAgain(trimming)
    await firing(jobs.trimming, 'EventsLost')
    await fillUsers(redis, trimming, 8)
    first.child.kill('SIGKILL')
    const { child } = await startAgain(trimming)
    const stop = keepRobbing(child, async () => {
      await other.transports.streams.append('request', poison(300))
      return () => redis.xautoclaim(`${prefix}:{request}`, group, 'thief', 0, '0', 'COUNT', 300)
    })
    await firing(jobs.trimming, 'EventLoopBlocked')
    await until(async () => expect(await query('changes(event_duplicates_total[1m]) > 0')).toHaveLength(1))
    await stop()

    await other.close()
  })
})

describe('exemplars', () => {
  test('lead from the duration of a request to its trace', async () => {
    const { ofTrace } = services.collector

    const traceIds = await prometheus.traceIds('http_server_request_duration_seconds_bucket', startedAt)

    expect(traceIds.length).toBeGreaterThan(0)
    for (const traceId of traceIds) expect(ofTrace(traceId)).not.toBeEmpty()
  })
})

describe('the end of the service', () => {
  test('is told', async () => {
    services.main.signal('SIGKILL')

    await firing(jobs.main, 'ReplicaDown', 'ServiceDown')
  })

  test('every alert has fired by now', async () => {
    const fired = [...(await prometheus.fired())].map((entry) => entry.split(' ')[1])

    expect(alertNames().filter((name) => !fired.includes(name))).toEqual([])
  })
})

describe.each(dashboardFiles())('the dashboard %s', (file) => {
  const queries = readDashboard(file).panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => [`${title} (${refId})`, expr] as const),
  )

  test.each(queries)('%s moves under load', async (_, expr) => {
    const endedAt = Date.now() / 1000
    const found = await Promise.all(
      Object.values(jobs).map((job) => prometheus.range(chosen(expr, job), startedAt, endedAt)),
    )
    const distinct = found.flat().map(({ values }) => new Set(values.filter(Number.isFinite)).size)
    const isConstant = Object.keys(constant).some((name) => expr.includes(name))

    expect(Math.max(0, ...distinct)).toBeGreaterThanOrEqual(isConstant ? 1 : 2)
  })
})
