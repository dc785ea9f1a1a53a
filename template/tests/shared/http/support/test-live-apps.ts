import { afterEach, expect } from 'bun:test'
import { contracts, createEvents, createLive, memoryTransports, silentLogger } from '@kiln/shared'
import { createAuth, liveEventRoutes, problemErrors, requestContext, sharedProblems } from '@kiln/shared/http'
import { readTokenKeys } from '@kiln/shared/security'
import { eventually } from '@kiln/shared/testing'
import { Elysia } from 'elysia'
import { testSecret } from '../../../../../tests/support/service.ts'
import { readEventStream } from '../../../support/event-stream.ts'

const roles = ['applicant', 'manager', 'admin'] as const

interface LiveAppOptions {
  readonly ttlSeconds?: number
  readonly maxBufferBytes?: number
  readonly heartbeatMs?: number
  readonly maxClients?: number
  readonly maxClientsPerUser?: number
}

/** @returns what makes an app with `GET /api/events/live` alone, on events in memory; each ends with its test. */
export function testLiveApps() {
  const cleanups: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })

  return ({ ttlSeconds = 60, ...options }: LiveAppOptions = {}) => {
    const transports = memoryTransports()
    const events = createEvents({ service: 'live', transports, logger: silentLogger })
    const live = createLive({ transports, contracts, logger: silentLogger })
    const keys = readTokenKeys({ secret: testSecret })
    const auth = createAuth({ keys, issuer: 'i', audience: 'a', ttlSeconds, roles })
    const app = new Elysia()
      .use(requestContext())
      .use(problemErrors({ problems: sharedProblems, report: () => {} }))
      .use(liveEventRoutes({ auth, live, ...options }))
    cleanups.push(live.close)

    const ask = async (role: (typeof roles)[number], { userId = 1, headers = {}, query = '' } = {}) => {
      const authorization = `Bearer ${await auth.issueAccessToken({ userId, role })}`
      const url = `http://localhost/api/events/live${query}`
      return await app.handle(new Request(url, { headers: { authorization, ...headers } }))
    }
    /** Asks, and waits for the first words. */
    const watch = async (...args: Parameters<typeof ask>) => {
      const stream = readEventStream(await ask(...args))
      cleanups.push(() => stream.close())
      await eventually(() => expect(stream.received.length).toBeGreaterThan(0))
      return stream
    }
    return { app, events, live, transports, ask, watch }
  }
}
