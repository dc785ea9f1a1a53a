import { notedAttempts } from './entry.ts'
import { EventError } from './errors.ts'
import type { SubscriptionStore } from './store.ts'
import { type GroupOperations, NOTE, type StoredEntry, type StreamTransport } from './transport.ts'

const PAGE = 200

/** An event that a subscription gave up, or could not read. */
export interface DeadLetter {
  /** `<tag>/<id>`: what the other operations take. */
  readonly id: string
  readonly subscription: string
  /** What the publisher called it; undefined when the entry had no such attribute. */
  readonly type: string | undefined
  readonly eventId: string | undefined
  /** `failed`, `permanent`, or an error code such as `EVENT_CRASHED`. */
  readonly reason: string
  readonly error: string
  readonly stack: string
  readonly attempts: number
  /** RFC 3339. */
  readonly failedAt: string
  /** The id the event had in its domain's stream. */
  readonly origin: string
  /** The attributes and data exactly as they arrived. */
  readonly fields: Readonly<Record<string, string>>
}

export interface DeadLetterFilter {
  readonly type?: string
  /** The reason, or a part of the error's message. */
  readonly error?: string
  readonly from?: Date
  readonly to?: Date
}

export interface DeadLetterPage {
  readonly items: readonly DeadLetter[]
  /** Give it as `after` to go on; undefined at the end. */
  readonly next: string | undefined
}

/**
 * Who does something to dead letters, for the audit trail: told before the first letter is touched, and again at the end.
 *
 * The letters are in the event server and the trail in a database, so both cannot change in one step. An intention
 * without its end says that letters may have been changed; when the intention cannot be written, none is.
 */
export interface DeadLetterAudit {
  readonly action: 'redrive' | 'purge'
  /** False before: these letters will be. True at the end: these, and no others, were. */
  readonly done: boolean
  readonly by: string
  readonly subscription: string
  readonly letters: readonly string[]
}

export interface BulkOptions {
  /** Who asks, for the audit trail. */
  readonly by: string
  /** Default 100. */
  readonly perSecond?: number
  /** Default: all that match. */
  readonly maxCount?: number
  readonly signal?: AbortSignal
  readonly progress?: (done: number) => void
}

export interface DeadLetters {
  /** Oldest first within a tag. @throws {EventError} `EVENT_UNKNOWN` for a subscription that is not registered, as all do. */
  list(
    subscription: string,
    filter?: DeadLetterFilter & { readonly after?: string; readonly limit?: number },
  ): Promise<DeadLetterPage>
  get(subscription: string, id: string): Promise<DeadLetter | undefined>
  /**
   * Delivers letters again, to this subscription only, their attempts reset and marked `redelivered`.
   *
   * @param which letters by id, or every one that matches. Letters that arrive meanwhile are not among them.
   * @returns how many were there to be delivered.
   */
  redrive(
    subscription: string,
    which: readonly string[] | DeadLetterFilter,
    options: BulkOptions,
  ): Promise<number>
  /** Destroys letters; keys that waited for them go on. @returns how many were there to be destroyed. */
  purge(
    subscription: string,
    which: readonly string[] | DeadLetterFilter,
    options: BulkOptions,
  ): Promise<number>
}

export interface DeadLettersOptions {
  readonly service: string
  readonly streams: StreamTransport
  readonly store: SubscriptionStore
  /** A rejection before the first letter leaves all as they were. */
  readonly audit: (audit: DeadLetterAudit) => Promise<void>
  readonly now: () => number
}

/** Opens the dead letters of every subscription registered, whether it runs in this process or not. */
export function createDeadLetters({ service, streams, store, audit, now }: DeadLettersOptions): DeadLetters {
  async function tagsOf(subscription: string): Promise<readonly string[]> {
    const group = `${service}.${subscription}`
    const record = (await store.list()).find((one) => one.group === group)
    if (!record) throw new EventError('EVENT_UNKNOWN', `no subscription is named ${subscription}`)
    return record.tags
  }
  const at = (tag: string, subscription: string) => streams.operate(tag, `${service}.${subscription}`)

  async function* walk(subscription: string, after?: string): AsyncGenerator<DeadLetter> {
    const tags = await tagsOf(subscription)
    const [startTag, startId] = after === undefined ? [tags[0], '0-0'] : split(after)
    for (const tag of tags.slice(Math.max(0, tags.indexOf(startTag ?? '')))) {
      let from = tag === startTag ? startId : '0-0'
      for (;;) {
        const page = await at(tag, subscription).deadLetters(from, PAGE)
        for (const entry of page) yield letterOf(subscription, tag, entry)
        from = page.at(-1)?.id ?? from
        if (page.length < PAGE) break
      }
    }
  }

  async function choose(subscription: string, which: readonly string[] | DeadLetterFilter, maxCount: number) {
    if (Array.isArray(which)) return [...new Set(which as readonly string[])].slice(0, maxCount)
    const chosen: string[] = []
    for await (const letter of walk(subscription)) {
      if (chosen.length === maxCount) break
      if (matches(letter, which as DeadLetterFilter)) chosen.push(letter.id)
    }
    return chosen
  }

  async function each(
    action: DeadLetterAudit['action'],
    subscription: string,
    which: readonly string[] | DeadLetterFilter,
    { by, perSecond = 100, maxCount = Number.POSITIVE_INFINITY, signal, progress }: BulkOptions,
  ): Promise<number> {
    await tagsOf(subscription)
    const chosen = await choose(subscription, which, maxCount)
    if (chosen.length === 0) return 0
    await audit({ action, done: false, by, subscription, letters: chosen })
    const letters: string[] = []
    const startedAtMs = now()
    let looked = 0
    try {
      for (const letter of chosen) {
        if (signal?.aborted) break
        const [tag, id] = split(letter)
        if (await act(at(tag, subscription), action, id)) letters.push(letter)
        progress?.(++looked)
        const aheadMs = (looked / perSecond) * 1000 - (now() - startedAtMs)
        if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs))
      }
    } finally {
      if (letters.length > 0) await audit({ action, done: true, by, subscription, letters })
    }
    return letters.length
  }

  return {
    async list(subscription, { after, limit = 100, ...filter } = {}) {
      const items: DeadLetter[] = []
      for await (const letter of walk(subscription, after)) {
        if (!matches(letter, filter)) continue
        if (items.length === limit) return { items, next: items.at(-1)?.id }
        items.push(letter)
      }
      return { items, next: undefined }
    },
    async get(subscription, letter) {
      await tagsOf(subscription)
      for await (const one of walk(subscription)) if (one.id === letter) return one
      return undefined
    },
    redrive: (subscription, which, options) => each('redrive', subscription, which, options),
    purge: (subscription, which, options) => each('purge', subscription, which, options),
  }
}

function act(operations: GroupOperations, action: DeadLetterAudit['action'], id: string): Promise<boolean> {
  return action === 'redrive' ? operations.redrive(id) : operations.purge(id)
}

function split(letter: string): readonly [tag: string, id: string] {
  const at = letter.lastIndexOf('/')
  return [letter.slice(0, at), letter.slice(at + 1)]
}

function matches(letter: DeadLetter, { type, error, from, to }: DeadLetterFilter): boolean {
  const failedAtMs = Date.parse(letter.failedAt)
  return (
    (type === undefined || letter.type === type) &&
    (error === undefined || letter.reason === error || letter.error.includes(error)) &&
    (from === undefined || failedAtMs >= from.getTime()) &&
    (to === undefined || failedAtMs <= to.getTime())
  )
}

function letterOf(subscription: string, tag: string, { id, fields }: StoredEntry): DeadLetter {
  const attributes = Object.entries(fields).filter(([name]) => !name.startsWith(':'))
  return {
    id: `${tag}/${id}`,
    subscription,
    type: fields.type,
    eventId: fields.id,
    reason: fields[NOTE.reason] ?? '',
    error: fields[NOTE.error] ?? '',
    stack: fields[NOTE.stack] ?? '',
    attempts: notedAttempts({ fields }),
    failedAt: fields[NOTE.failedAt] ?? '',
    origin: fields[NOTE.origin] ?? '',
    fields: Object.fromEntries(attributes),
  }
}
