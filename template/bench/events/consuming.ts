import { orders, Placed } from './orders.ts'
import { addBare } from './publishing.ts'
import type { BenchRedis } from './redis.ts'
import { chunk, chunks, eventsPerRound, rate, type Side } from './rounds.ts'

/** The sides of consuming: a bare loop, and the library's two ways. */
export function consuming({ bare, newKey, openLibrary }: BenchRedis): Readonly<Record<string, Side>> {
  async function bareLoop(): Promise<number> {
    const key = newKey()
    await addBare(bare, key)
    await bare.xgroup('CREATE', key, 'group', '0')
    const result = await rate(async () => {
      for (let done = 0; done < eventsPerRound; ) {
        const reply = (await bare.xreadgroup('GROUP', 'group', 'me', 'COUNT', 100, 'STREAMS', key, '>')) as
          | [string, [string, string[]][]][]
          | null
        const ids = reply?.[0]?.[1].map(([id]) => id) ?? []
        await bare.xack(key, 'group', ...ids)
        done += ids.length
      }
    })
    await bare.unlink(key)
    return result
  }

  async function library(kind: 'one' | 'batch'): Promise<number> {
    const filling = await openLibrary()
    for (const from of chunks()) await filling.events.publishMany(Placed, orders(from, chunk))
    const { events, close } = await openLibrary(filling.prefix)
    const all = Promise.withResolvers<void>()
    let done = 0
    const count = (more: number) => {
      done += more
      if (done === eventsPerRound) all.resolve()
    }
    const options = { name: 'bench', from: 'beginning', concurrency: 500 } as const
    if (kind === 'one') events.subscribe(Placed, options, () => count(1))
    else events.subscribeBatch(Placed, options, (batch) => count(batch.length))
    const result = await rate(async () => {
      await events.start()
      await all.promise
    })
    await close()
    await filling.close()
    await filling.dropKeys()
    return result
  }

  return {
    'bare XREADGROUP COUNT 100 and one XACK': bareLoop,
    'subscribe, a handler that does nothing': () => library('one'),
    'subscribeBatch, a handler that does nothing': () => library('batch'),
  }
}
