import { idBefore } from '../entry-id.ts'
import type { RedisClient } from './connections.ts'
import { recordOf } from './replies.ts'

/** Where a group stands in a stream. */
export interface GroupPosition {
  readonly lastDelivered: string
  readonly pending: number
  /** Everything up to and including it is acknowledged. */
  readonly mark: string
  /** Entries not delivered yet; null when the server does not know, as for any group made at an arbitrary id. */
  readonly lag: number | null
}

/** @throws {Error} `NOGROUP` when the group is not there. */
export async function groupPosition(
  redis: RedisClient,
  stream: string,
  group: string,
): Promise<GroupPosition> {
  const groups = (await redis.xinfo('GROUPS', stream)) as string[][]
  const found = groups.map(recordOf).find(({ name }) => name === group)
  if (!found) throw new Error(`NOGROUP ${group} is not a group of ${stream}`)
  const lastDelivered = String(found['last-delivered-id'])
  // Asked second: pending entries only go, so a mark taken from both is never too high.
  const [pending, oldest] = (await redis.xpending(stream, group)) as [number, string | null]
  return {
    lastDelivered,
    pending,
    mark: pending > 0 && oldest ? idBefore(oldest) : lastDelivered,
    lag: found.lag === null || found.lag === undefined ? null : Number(found.lag),
  }
}
