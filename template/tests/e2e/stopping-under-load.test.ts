import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Agent, type RequestOptions, request } from 'node:http'
import { RequestCreated } from '@kiln/shared/contracts/request'
import { eventually } from '@kiln/shared/testing'
import { buildRequest } from '../../../tests/support/build-request.ts'
import { spawnProgram } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(120_000)

const clients = 500
const eventCount = 1_000

describe.skipIf(!hasRedis)('SIGTERM under load', () => {
  test('fails no request of clients that never retry, and loses no event', async () => {
    const service = await startWithAdmin({
      SERVICE_DRAIN_DELAY_MS: '3000',
      SERVICE_DATABASE_CONNECT_TIMEOUT_MS: '20000',
    })
    const { events, publishedTo } = service.other
    const balancer = watchReadiness(service.url)
    const load = startClients(service, () => balancer.isReady())
    const requests = Array.from({ length: eventCount }, (_, at) => ({
      ...buildRequest(),
      request_id: `${at}`,
    }))
    await events.publishMany(RequestCreated, requests, { idOf: (_, at) => `r${at}` })
    await eventually(() => expect(load.answered()).toBeGreaterThan(clients))
    await eventually(async () => expect((await publishedTo('notification')).length).toBeGreaterThan(0))

    const sentAt = performance.now()
    service.signal('SIGTERM')
    const outcome = await service.ended
    const stoppedAfterMs = performance.now() - sentAt
    const { statuses, failures, created } = await load.ended
    await balancer.stop()

    expect(failures).toEqual([])
    expect(Object.keys(statuses)).toEqual(['200', '201'])
    expect(outcome.exitCode).toBe(0)
    expect(stoppedAfterMs).toBeLessThan(3_000 + 15_000)

    const notifiedBefore = (await publishedTo('notification')).length
    const next = spawnProgram(['serve'], { env: { ...service.env, SERVICE_PORT: '0' } })
    await eventually(
      async () => {
        const notified = new Set((await publishedTo('notification')).map(({ id }) => id))
        expect(notified.size).toBe(eventCount)
        const announced = (await publishedTo('user')).map(({ type }) => type)
        expect(announced.filter((type) => type === 'user.created')).toHaveLength(created + 1)
      },
      { timeoutMs: 60_000 },
    )
    process.stdout.write(
      `${clients} clients: ${statuses[200]} reads and ${created} writes answered, none failed; ` +
        `stopped after ${Math.round(stoppedAfterMs)} ms with ${notifiedBefore} of ${eventCount} events handled, the rest by the next process\n`,
    )
    next.child.kill('SIGTERM')
    await next.ended
    await service.other.close()
    await service.close()
  })
})

/** What a load balancer does: it asks, on a connection of its own, and sends nothing any more to who is not ready. */
function watchReadiness(url: string) {
  const state = { ready: true, stopped: false }
  const watch = async () => {
    while (!state.stopped && state.ready) {
      const status = await send(`${url}/ready`, { agent: false }).catch(() => 0)
      state.ready = status === 200
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const watching = watch()
  return {
    isReady: () => state.ready,
    async stop() {
      state.stopped = true
      await watching
    },
  }
}

/** Clients that read and write in turn until they are told to stop, each on a connection that it keeps. */
function startClients({ url, token }: { url: string; token: string }, mayGoOn: () => boolean) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const statuses: Record<string, number> = {}
  const failures: string[] = []
  let answered = 0
  const ask = (client: number, turn: number) => {
    const email = `c${client}-${turn}@example.com`
    return turn % 4 === 0
      ? send(
          `${url}/api/users`,
          { agent, headers, method: 'POST' },
          JSON.stringify({ first_name: 'Ann', email }),
        )
      : send(`${url}/api/users/1`, { agent, headers })
  }
  const run = async (client: number) => {
    for (let turn = client; mayGoOn(); turn += 1) {
      try {
        const status = await ask(client, turn)
        statuses[status] = (statuses[status] ?? 0) + 1
        answered += 1
      } catch (error) {
        failures.push(String(error))
      }
    }
  }
  const running = Promise.all(Array.from({ length: clients }, (_, client) => run(client)))
  return {
    answered: () => answered,
    ended: running.then(() => {
      agent.destroy()
      return { statuses, failures, created: statuses[201] ?? 0 }
    }),
  }
}

/** One request, never repeated. Gives the status once the whole answer is there. */
function send(url: string, options: RequestOptions, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (answer) => {
      answer
        .once('error', reject)
        .once('end', () => resolve(answer.statusCode ?? 0))
        .resume()
    })
    sent.once('error', reject).end(body)
  })
}
