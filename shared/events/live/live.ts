import { readData } from '../decode.ts'
import { compareIds } from '../entry-id.ts'
import { fromFields, fromStructured, toStructured } from '../envelope.ts'
import type { EventContract } from '../event.ts'
import type { EventLogger } from '../observer.ts'
import { type Shards, tagsOf } from '../tags.ts'
import type { Transports } from '../transports.ts'
import { inOrder } from './merge.ts'
import { pastOf } from './past.ts'
import type { StreamTail } from './tail.ts'

/** An event as those who watch see it. */
export interface LiveEvent {
  /** The id of its entry, to go on after; undefined for a broadcast. */
  readonly id: string | undefined
  readonly contract: EventContract
  /** In the contract's own version, to decide who may see it. */
  readonly data: unknown
  /** A structured CloudEvent in JSON, as it travelled. */
  readonly text: string
}

/** Somebody who watches. */
export interface Watcher {
  /** Told first, once: the place it begins after. */
  begin(at: string): void
  /** Takes an event at once, or decides to end. */
  send(event: LiveEvent): void
  /** Resolves when more of the past can be taken. */
  room(): Promise<void>
  /** `closing`: this process ends; `behind`: too much came while it was shown the past. */
  end(reason: 'closing' | 'behind'): void
}

export interface Live {
  /**
   * Shows the events after an entry, then those to come, until the returned function is called.
   *
   * In the order of the ids, each once; after a reconnection those of the last millisecond seen may come again. What
   * was trimmed meanwhile is not shown, broadcasts are shown only as they happen.
   *
   * @throws when the event server cannot be reached.
   */
  watch(watcher: Watcher, after?: string): Promise<() => void>
  readonly watchers: number
  /** Ends every watcher; later ones are refused. */
  close(): Promise<void>
}

export interface LiveOptions {
  readonly transports: Transports
  readonly contracts: readonly EventContract[]
  readonly logger: EventLogger
  readonly shards?: Shards
}

interface Watching {
  readonly watcher: Watcher
  /** What came while it is shown the past; undefined once it has caught up. */
  waiting: LiveEvent[] | undefined
  gone: boolean
}

const PAGE = 200
const MAX_WAITING = 5000
const FIRST_ERROR_WAIT_MS = 100
const MAX_ERROR_WAIT_MS = 5000

/** One tail for everybody who watches in this process, open only while somebody does. */
export function createLive({ transports, contracts, logger, shards = {} }: LiveOptions): Live {
  const { streams, broadcasts } = transports
  const byName = new Map(contracts.map((contract) => [contract.name, contract]))
  const durable = contracts.filter(({ delivery }) => delivery === 'stream')
  const tags = [...new Set(durable.map(({ domain }) => domain))].flatMap((domain) => tagsOf(domain, shards))
  const watching = new Set<Watching>()
  const cursors = new Map<string, string>()
  const unlisten: (() => Promise<void>)[] = []
  let tail: StreamTail | undefined
  let turn: Promise<unknown> = Promise.resolve()
  let closed = false

  /** One after the other: opening and closing take their time. */
  const inTurn = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const next = turn.then(act)
    turn = next.catch(() => {})
    return next
  }

  async function open(): Promise<void> {
    if (tail || closed) return
    for (const tag of tags) cursors.set(tag, (await newest(tag)) ?? '0-0')
    for (const contract of contracts.filter(({ delivery }) => delivery === 'broadcast')) {
      unlisten.push(await broadcasts.listen(contract.name, (message) => showBroadcast(contract, message)))
    }
    const opened = transports.openTail()
    tail = opened
    void follow(opened)
  }

  async function shut(): Promise<void> {
    const opened = tail
    tail = undefined
    await opened?.close()
    for (const stop of unlisten.splice(0)) await stop().catch(() => {})
  }

  async function follow(opened: StreamTail): Promise<void> {
    let waitMs = FIRST_ERROR_WAIT_MS
    while (tail === opened) {
      try {
        const read = inOrder(await opened.read(cursors, PAGE), PAGE)
        for (const { tag, id, fields } of read) {
          cursors.set(tag, id)
          show(shown(id, fields))
        }
        if (read.length === 0) await rewind()
        waitMs = FIRST_ERROR_WAIT_MS
      } catch (error) {
        if (tail !== opened) return
        if (waitMs === FIRST_ERROR_WAIT_MS)
          logger.warn({ err: error }, 'live events cannot be read; trying again')
        await new Promise((resolve) => setTimeout(resolve, waitMs))
        waitMs = Math.min(waitMs * 2, MAX_ERROR_WAIT_MS)
      }
    }
  }

  /** A stream that was emptied begins again below our place in it. */
  async function rewind(): Promise<void> {
    for (const [tag, cursor] of cursors) {
      if (compareIds((await newest(tag)) ?? '0-0', cursor) < 0) cursors.set(tag, '0-0')
    }
  }

  const newest = async (tag: string) => (await streams.backwards(tag, '+', 1))[0]?.id

  function shown(id: string, fields: Readonly<Record<string, string>>): LiveEvent | undefined {
    const contract = byName.get(fields.type ?? '')
    if (contract?.delivery !== 'stream') return undefined
    try {
      const envelope = fromFields(fields)
      return { id, contract, data: readData(contract, envelope), text: toStructured(envelope) }
    } catch {
      return undefined
    }
  }

  function showBroadcast(contract: EventContract, text: string): void {
    try {
      show({ id: undefined, contract, data: readData(contract, fromStructured(text)), text })
    } catch (error) {
      logger.warn({ err: error, type: contract.name }, 'a broadcast could not be shown')
    }
  }

  function show(event: LiveEvent | undefined): void {
    if (event === undefined) return
    for (const one of watching) {
      if (one.waiting === undefined) one.watcher.send(event)
      else if (one.waiting.push(event) > MAX_WAITING) drop(one, 'behind')
    }
  }

  function drop(one: Watching, reason: 'closing' | 'behind'): void {
    leave(one)
    one.watcher.end(reason)
  }

  function leave(one: Watching): void {
    one.gone = true
    watching.delete(one)
    if (watching.size === 0) void inTurn(async () => (watching.size === 0 ? shut() : undefined))
  }

  async function catchUp(one: Watching, after: string, until: ReadonlyMap<string, string>): Promise<void> {
    for await (const page of pastOf(streams, after, until)) {
      await one.watcher.room()
      if (one.gone) return
      for (const { id, fields } of page) {
        const event = shown(id, fields)
        if (event) one.watcher.send(event)
      }
    }
  }

  return {
    get watchers() {
      return watching.size
    },
    async watch(watcher, after) {
      const one: Watching = { watcher, waiting: [], gone: false }
      const until = await inTurn(async () => {
        if (closed) throw new Error('live events are closed')
        await open().catch(async (error: unknown) => {
          await shut()
          throw error
        })
        // At once: what comes from here on waits for the watcher, what came before is its past.
        watching.add(one)
        return new Map(cursors)
      })
      const at = after ?? [...until.values()].toSorted(compareIds).at(-1) ?? '0-0'
      watcher.begin(at)
      const showPast = async () => {
        if (after !== undefined) await catchUp(one, after, until)
        for (const event of one.waiting ?? []) if (!one.gone) watcher.send(event)
        one.waiting = undefined
      }
      showPast().catch((error: unknown) => {
        logger.warn({ err: error }, 'past events could not be shown')
        drop(one, 'behind')
      })
      return () => leave(one)
    },
    async close() {
      closed = true
      for (const one of [...watching]) drop(one, 'closing')
      await inTurn(shut)
    },
  }
}
