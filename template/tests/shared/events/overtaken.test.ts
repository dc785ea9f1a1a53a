import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { toFields } from '../../../../shared/events/envelope.ts'
import { ThingMade } from '../../../../shared/testing/delivery/contracts.ts'
import { eventually } from '../../../../shared/testing/eventually.ts'
import { hasRedisServer } from './support/redis-server.ts'
import { GROUP, testRedis } from './support/test-redis.ts'

setDefaultTimeout(20_000)

/**
 * A server that was slow carries out a read although the reader's connection is gone: the entries belong to a consumer
 * that never hears of them. It reads right after they are added, before whoever waits for them.
 */
describe.skipIf(!hasRedisServer)('entries that went to a read nobody waits for any more', () => {
  const redis = testRedis('overtaken')

  test.each(['process', 'another'])(
    'are handled before later ones of their key, if %s read them',
    async (reader) => {
      const { prefix, stream } = redis.newPrefix()
      const { events } = await redis.open({ prefix })
      const handled: number[] = []
      events.subscribe(ThingMade, { name: 'sub', ordered: true }, async ({ data }) => {
        handled.push(data.n)
      })
      await events.start()
      await events.publish(ThingMade, { n: 1, of: 'wood' })
      await eventually(() => expect(handled).toEqual([1]))

      const read = ['GROUP', GROUP, reader, 'COUNT', 2, 'STREAMS', stream, '>'] as const
      await redis.client
        .multi()
        .xadd(stream, '*', ...fieldsOf(2))
        .xadd(stream, '*', ...fieldsOf(3))
        .xreadgroup(...read)
        .xadd(stream, '*', ...fieldsOf(4))
        .exec()

      await eventually(() => expect(handled).toHaveLength(4))
      expect(handled).toEqual([1, 2, 3, 4])
      await eventually(async () => expect(await redis.pendingOf(stream)).toBe(0))
    },
  )
})

function fieldsOf(n: number): string[] {
  return toFields({
    id: `late-${n}`,
    source: 'facts',
    type: ThingMade.name,
    time: new Date().toISOString(),
    data: JSON.stringify({ n, of: 'wood' }),
    dataversion: ThingMade.latest,
    partitionkey: 'wood',
  })
}
