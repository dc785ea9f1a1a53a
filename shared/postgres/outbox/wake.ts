import { setTimeout } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import type { EventLogger } from '../../events/observer.ts'
import { type Backoff, backoffMs } from '../../events/retry.ts'
import { sharedTables } from '../tables.ts'

const channel = 'outbox_added'
const notifyEveryMs = 10
const connectTimeoutMs = 5000

export interface Notifier {
  /** Tells relays in other processes, at most every 10 ms however often it is called. Never waits, never throws. */
  notify(): void
  /** Resolves when nothing is under way. */
  stop(): Promise<void>
}

/**
 * Wakes relays that run in other processes, for `onAdded` of an outbox.
 *
 * It notifies outside the transactions it announces, on a connection that `db` has free: NOTIFY inside them would
 * serialise their commits. One that fails is only a delay, until the relay looks by itself.
 */
export function createNotifier<Schema>(db: Kysely<Schema>): Notifier {
  const statement = sql`select pg_notify(${sql.lit(channel)}, '')`
  const plain = sharedTables(db).withoutPlugins()
  let running: Promise<void> | undefined
  let isAsked = false

  async function run(): Promise<void> {
    while (isAsked) {
      isAsked = false
      await statement.execute(plain).catch(() => {})
      await setTimeout(notifyEveryMs)
    }
  }

  return {
    notify() {
      isAsked = true
      running ??= run().finally(() => {
        running = undefined
      })
    },
    async stop() {
      await running
    },
  }
}

export interface WakeListenerOptions {
  /** As of `connectDatabase`; its own connection stays open. */
  readonly url: string
  readonly logger: EventLogger
  readonly backoff?: Backoff
  readonly random?: () => number
}

/**
 * Listens for notifiers, and connects again when the connection is lost.
 *
 * Behind a pooler that hands out connections by transaction nothing arrives: the relay then looks every second.
 *
 * @param wake such as a relay's `poke`.
 * @returns what ends it.
 */
export function listenForWake(
  wake: () => void,
  { url, logger, backoff = { baseMs: 100, maxMs: 10_000 }, random = Math.random }: WakeListenerOptions,
): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  let isTold = false

  async function listen(): Promise<void> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'outbox wake',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    })
    const lost = new Promise<void>((resolve) => client.once('end', resolve))
    client.on('error', () => {})
    client.on('notification', wake)
    try {
      await client.connect()
      await client.query(`listen ${channel}`)
      isTold = false
      // What was added while nobody listened.
      wake()
      await Promise.race([lost, stopped])
    } finally {
      // A connection that is half open may never answer.
      client.end().catch(() => {})
    }
  }

  async function run(): Promise<void> {
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await listen()
        failures = 1
      } catch (err) {
        if (!isTold) logger.warn({ err }, 'the outbox cannot be listened to: it is looked at every second')
        isTold = true
      }
      await setTimeout(backoffMs(failures, backoff, random), undefined, { signal }).catch(() => {})
    }
  }

  const running = run()
  return async () => {
    stopping.abort()
    await running
  }
}
