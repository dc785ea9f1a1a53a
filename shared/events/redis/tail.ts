import type { StreamTail } from '../live/tail.ts'
import { type Connect, connectionOptions, ready, within } from './connections.ts'
import { streamKey } from './keys.ts'
import { type EntryReply, recordOf } from './replies.ts'

/** Between two looks in a cluster, where one command cannot wait for streams on several servers. */
const CLUSTER_PAUSE_MS = 200

export interface RedisTailOptions {
  readonly connect: Connect
  readonly prefix: string
  readonly timeoutMs: number
  readonly blockMs: number
  readonly closed: () => void
}

/** A plain XREAD on a connection of its own. @see https://redis.io/docs/latest/commands/xread/ */
export function redisTail({ connect, prefix, timeoutMs, blockMs, closed }: RedisTailOptions): StreamTail {
  const client = connect('read', connectionOptions('read', timeoutMs))
  client.on('error', () => {})
  let open = true

  const look = async (tags: readonly string[], ids: readonly string[], count: number, block: boolean) => {
    const streams = [...tags.map((tag) => streamKey(prefix, tag)), ...ids]
    const waits = block ? ['BLOCK', blockMs] : []
    const reply = client.call('XREAD', 'COUNT', count, ...waits, 'STREAMS', ...streams)
    return rowsOf(await within(client, blockMs + timeoutMs, reply))
  }

  return {
    async read(after, count) {
      if (!open) throw new Error('the tail is closed')
      await ready(client, timeoutMs)
      const tags = [...after.keys()]
      const ids = [...after.values()]
      const rows = client.isCluster
        ? (await Promise.all(tags.map((tag, at) => look([tag], [ids[at] ?? '0-0'], count, false)))).flat()
        : await look(tags, ids, count, true)
      if (client.isCluster && rows.length === 0)
        await new Promise((resolve) => setTimeout(resolve, CLUSTER_PAUSE_MS))
      const tagOf = new Map(tags.map((tag) => [streamKey(prefix, tag), tag]))
      return new Map(
        rows.map(([stream, entries]) => [
          tagOf.get(stream) ?? '',
          entries.map(([id, fields]) => ({ id, fields: recordOf(fields ?? []) })),
        ]),
      )
    },
    async close() {
      if (!open) return
      open = false
      client.disconnect()
      closed()
    },
  }
}

/** RESP2 answers with pairs, RESP3 with a map, which ioredis may hand over as either. */
function rowsOf(reply: unknown): (readonly [stream: string, entries: EntryReply[]])[] {
  if (reply === null || reply === undefined) return []
  if (reply instanceof Map) return [...(reply as Map<string, EntryReply[]>)]
  if (!Array.isArray(reply)) return Object.entries(reply as Record<string, EntryReply[]>)
  if (reply.length > 0 && !Array.isArray(reply[0])) {
    const flat = reply as unknown[]
    return Array.from({ length: flat.length / 2 }, (_, at) => [
      String(flat[at * 2]),
      flat[at * 2 + 1] as EntryReply[],
    ])
  }
  return reply as [string, EntryReply[]][]
}
