import { afterAll, afterEach, beforeAll } from 'bun:test'
import { type OpenOptions, openEvents } from './open-events.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

/** The group of the subscription `sub`. */
export const GROUP = 'facts.sub'

/**
 * A private Redis for the tests of one `describe`, stopped after them. The processes that a test opens on it end with
 * that test.
 *
 * @param name begins the keys of every test.
 */
export function testRedis(name: string) {
  const ends: (() => Promise<void>)[] = []
  let server: RedisServer | undefined
  let count = 0
  beforeAll(async () => {
    server = await startRedis()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => server?.stop())

  const running = () => {
    if (!server) throw new Error('Redis is started before the tests, not before their description')
    return server
  }
  return {
    /** For what a test does behind the library's back. */
    get client() {
      return running().client
    },
    /** As every process of a test connects, for one that does it differently. */
    get connect() {
      return running().connect
    },
    /** Keys that no other test has, and the stream of `ThingMade` among them. */
    newPrefix() {
      const prefix = `${name}-${++count}`
      return { prefix, stream: `${prefix}:{thing}` }
    },
    /** One process of the service. */
    async open(options: OpenOptions) {
      const opened = await openEvents(running(), options)
      ends.push(opened.end)
      return opened
    },
    async pendingOf(stream: string) {
      const [pending] = (await running().client.xpending(stream, GROUP)) as [number]
      return pending
    },
    /** As another process does that then says nothing more. */
    async readAs(consumer: string, stream: string, max: number) {
      await running().client.xreadgroup('GROUP', GROUP, consumer, 'COUNT', max, 'STREAMS', stream, '>')
    },
  }
}
