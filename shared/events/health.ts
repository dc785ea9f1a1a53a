import type { SubscriptionStore } from './store.ts'
import type { GroupHealth, StreamTransport } from './transport.ts'

/** One subscription of this service, all its tags together. */
export interface SubscriptionHealth extends GroupHealth {
  readonly subscription: string
  readonly paused: boolean
  /** Milliseconds since 1970 when a member was last alive. */
  readonly heardAtMs: number
}

const NOTHING: GroupHealth = { lag: 0, pending: 0, due: 0, parked: 0, dead: 0, oldestMs: undefined }

/** Where every registered subscription of a service stands, whether it runs in this process or not. */
export async function subscriptionsHealth(
  service: string,
  streams: StreamTransport,
  store: SubscriptionStore,
): Promise<readonly SubscriptionHealth[]> {
  const records = (await store.list()).filter(({ owner }) => owner === service)
  return Promise.all(
    records.map(async ({ name, group, tags, paused, heardAtMs }) => {
      const parts = await Promise.all(tags.map((tag) => streams.operate(tag, group).health()))
      return { subscription: name, paused, heardAtMs, ...parts.reduce(add, NOTHING) }
    }),
  )
}

function add(a: GroupHealth, b: GroupHealth): GroupHealth {
  return {
    lag: a.lag + b.lag,
    pending: a.pending + b.pending,
    due: a.due + b.due,
    parked: a.parked + b.parked,
    dead: a.dead + b.dead,
    oldestMs: a.oldestMs === undefined ? b.oldestMs : Math.min(a.oldestMs, b.oldestMs ?? a.oldestMs),
  }
}
