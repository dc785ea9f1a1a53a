import { fields, order, orders, Placed } from './orders.ts'
import type { BenchRedis } from './redis.ts'
import { chunk, chunks, rate, type Side } from './rounds.ts'

/** Adds a round's events as the library would write them. */
export async function addBare(bare: BenchRedis['bare'], key: string): Promise<void> {
  for (const _ of chunks()) {
    const pipeline = bare.pipeline()
    for (let index = 0; index < chunk; index += 1) pipeline.xadd(key, '*', ...fields)
    await pipeline.exec()
  }
}

/** The sides of publishing: bare pipelines, and the library's two ways. */
export function publishing({ bare, newKey, openLibrary }: BenchRedis): Readonly<Record<string, Side>> {
  async function library(publish: 'many' | 'each'): Promise<number> {
    const { events, close, dropKeys } = await openLibrary()
    const result = await rate(async () => {
      for (const from of chunks()) {
        if (publish === 'many') await events.publishMany(Placed, orders(from, chunk))
        else
          await Promise.all(
            Array.from({ length: chunk }, (_, at) => events.publish(Placed, order(from + at))),
          )
      }
    })
    await close()
    await dropKeys()
    return result
  }

  return {
    'bare ioredis, pipelines of 500': async () => {
      const key = newKey()
      const result = await rate(() => addBare(bare, key))
      await bare.unlink(key)
      return result
    },
    'publishMany, 500 at a time': () => library('many'),
    'publish, 500 at once': () => library('each'),
  }
}
