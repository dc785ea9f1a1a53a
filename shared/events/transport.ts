/** As many entries as keep the server from everybody else for no longer than they should. */
export const MAX_APPENDED = 100

/** What is known of appends that belong together: by `partitionkey`, the last entry. The transport fills it. */
export type AppendRun = Map<string, string>

/**
 * What carries durable events. These comments are the delivery contract; `shared/testing` proves them on every
 * implementation, and records where one honestly differs.
 *
 * A *tag* names one stream: a domain (`user`) or one shard of it (`user:3`). Order exists within a tag only.
 */
export interface StreamTransport {
  readonly name: string
  /** Members call `keepAlive` at least this often; after three times this without, others claim what they hold. */
  readonly keepAliveMs: number
  /**
   * Appends entries to one tag, in order, and waits until the server has accepted them.
   *
   * One outcome per entry, in the entries' order; never rejects. A failed entry says whether it may have arrived. Once an
   * entry was refused, no later one of this call with its `partitionkey` is added: it was not sent.
   *
   * An entry with the `source` and `id` of one added within the last ten minutes (less under a flood, to bound memory)
   * is not added again: its outcome is that one's, a duplicate. An entry without `source` or `id` is always added.
   *
   * @param run of several calls in one turn of the event loop makes one, for which this holds as for a single call.
   */
  append(tag: string, entries: readonly Fields[], run?: AppendRun): Promise<readonly AppendOutcome[]>
  /**
   * Makes this process a member of a group on one tag, creating the group when it is new.
   *
   * A new group starts at `start`. A group that vanished from the server starts again at its low-water mark:
   * everything it has not acknowledged is delivered, some of it a second time.
   */
  join(options: JoinOptions): Promise<GroupMember>
  /**
   * Resolves when the death of this process can no longer lose the entry: at once where a server keeps it, after
   * every subscription has finished it where only this process does.
   */
  safe(tag: string, entryId: string): Promise<void>
  /** Looks at and changes what a group has put aside, without being a member. */
  operate(tag: string, group: string): GroupOperations
  /** Entries of a tag after an id, oldest first, at most `count`; what was trimmed is not among them. */
  range(tag: string, after: string, count: number): Promise<readonly StoredEntry[]>
  /** Entries of a tag before an id ('+' for the end), newest first, at most `count`. */
  backwards(tag: string, before: string, count: number): Promise<readonly StoredEntry[]>
  /**
   * Which of these entries the server has no more although retention did not trim them: it lost what it had
   * acknowledged. A server that lost everything has lost as well what was trimmed.
   *
   * @throws when the server cannot be reached.
   */
  missing(tag: string, entryIds: readonly string[]): Promise<readonly string[]>
  /**
   * Calls `doubt` when the server may have lost what it acknowledged: after a reconnect, or under another run id or role.
   *
   * @param doubt is given the last moment at which it was known to be well, in milliseconds since 1970. A replica that took
   * over may lack what came some time before: look back further than it can lag.
   * @returns stops watching.
   */
  watch(doubt: (wellAtMs: number) => void): () => void
  /** Closes what this transport opened itself; what it borrowed stays open. */
  close(): Promise<void>
}

/** What carries broadcasts: at most once, to whoever listens at that moment, in no guaranteed order across publishers. */
export interface BroadcastTransport {
  /** Resolves when the server has taken the message; nobody may have received it. */
  send(name: string, message: string): Promise<void>
  /** Listens until the returned function is called; a lost connection resubscribes by itself and loses what came between. */
  listen(name: string, receive: (message: string) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** Field name, value, name, value: in the order they travel. */
export type Fields = readonly string[]

export type AppendOutcome =
  | { readonly ok: true; readonly entryId: string; readonly duplicate?: boolean }
  | { readonly ok: false; readonly sent: 'no' | 'maybe' | 'full'; readonly cause?: unknown }

/** Where a new group starts: only what comes, all that is kept, or from a time (milliseconds since 1970). */
export type StartPosition = 'new' | 'beginning' | number

export interface JoinOptions {
  readonly group: string
  readonly tag: string
  readonly ordered: boolean
  readonly start: StartPosition
  /** Later events of one held key that may wait behind it. */
  readonly maxBehind: number
  /** Where the group's dead letters go; a replay's go to its subscription's. Default: the group. */
  readonly deadLettersOf?: string
  /** A replay reads up to this entry id and not past it; its group exists already and is never healed. */
  readonly until?: string
}

/** One entry as a member holds it: unacknowledged, and delivered to nobody else while it is kept alive. */
export interface Entry {
  /** The id within the stream it was read from. */
  readonly id: string
  /** True when it was read from what is delivered again to this group only. */
  readonly again: boolean
  readonly fields: Readonly<Record<string, string>>
  /** Deliveries to any member, this one included; more than one means that an earlier one ended with its process. */
  readonly deliveries: number
  /** True when earlier deliveries crashed twice: it must be `begin`-ed, alone. */
  readonly suspect: boolean
}

/** Bookkeeping that travels beside the attributes; a colon can start no CloudEvents attribute. */
export const NOTE = {
  origin: ':origin',
  /** Fed into a replay: the id that it had in its domain's stream. `origin` takes its place once it is put aside. */
  archived: ':archived',
  attempts: ':attempts',
  reason: ':reason',
  error: ':error',
  stack: ':stack',
  failedAt: ':failedat',
  consumer: ':consumer',
  /** Ordered groups: the key held for it. */
  key: ':key',
  redelivered: ':redelivered',
  /** The group of the replay that it failed in. */
  replay: ':replay',
} as const

/**
 * Where an entry goes when it is not simply done. `due` comes back after `delayMs`; `parked` when a member knows its
 * version; `dead` when somebody redrives it.
 */
export interface Move {
  readonly to: 'due' | 'dead' | 'parked'
  readonly notes: Readonly<Record<string, string>>
  readonly delayMs?: number
  /** Ordered groups: the key, and whether it now waits for this entry or goes on without it. */
  readonly key?: string
  readonly keyThen?: 'hold' | 'release'
}

/** `lost`: another member holds the entry now, or it is done; nothing was changed. */
export type MoveOutcome = 'moved' | 'lost'

export interface Recovered {
  readonly entries: readonly Entry[]
  /** Ids that were trimmed before anybody finished them: data loss. */
  readonly deleted: readonly string[]
  /** There is more to recover: ask again before reading. */
  readonly more: boolean
}

/**
 * One process in one group on one tag.
 *
 * Every method that changes an entry proves first that this member still holds it, and acknowledges last: an
 * interruption can repeat an event and never lose one. A method rejects when the server cannot be reached; the
 * entry is then still held, and `recover` finds it.
 */
export interface GroupMember {
  readonly consumer: string
  /** By this process's own clock, whether the last `lead` still holds: asked before every handler of an ordered group. */
  readonly leading: boolean
  /** Whether this member may read now. Always true unless the group is ordered: then one member at a time may, for some seconds. */
  lead(): Promise<boolean>
  /**
   * Waits, a few seconds at most, for entries nobody has had yet; at most `maxCount`, bounded in bytes too.
   *
   * @param source `again` leaves new events alone and reads only what is delivered again to this group.
   */
  read(maxCount: number, source: 'all' | 'again'): Promise<readonly Entry[]>
  /** Ordered groups: what comes before these entries and went to a read whose connection, or lead, was gone. */
  overtaken(entries: readonly Entry[], busy: ReadonlyMap<string, unknown>): Promise<readonly Entry[]>
  /** What this member holds without knowing (not in `busy`), then what others have abandoned. */
  recover(busy: ReadonlyMap<string, unknown>, maxCount: number): Promise<Recovered>
  /** Counts the delivery of a suspect; false when it is no longer ours. */
  begin(entry: Entry): Promise<boolean>
  ack(entries: readonly Entry[]): Promise<void>
  move(entry: Entry, move: Move): Promise<MoveOutcome>
  /** Ordered groups: acknowledges the entry a key waited for, and lets the next of that key come. */
  release(entry: Entry, key: string): Promise<{ readonly held: boolean }>
  /** Ordered groups: puts the entry behind its held key, in order. `free`: the key is not held, run it. */
  queueBehind(entry: Entry, key: string): Promise<'queued' | 'free' | 'full' | 'lost'>
  /** Ordered groups: the keys that wait for an earlier event. */
  heldKeys(): Promise<ReadonlySet<string>>
  /** Keeps the entries ours; gives the ids (`refOf`) of those that are not any more. */
  keepAlive(entries: readonly Entry[]): Promise<readonly string[]>
  /** Makes entries that were not started available to other members at once; the delivery does not count. */
  handBack(entries: readonly Entry[]): Promise<void>
  /** Brings back what is due, to whoever reads it first; gives the milliseconds to the next one. */
  bringBack(): Promise<number>
  /** Takes what is parked in a version known here, for this member; true when `recover` now finds some. */
  unpark(known: ReadonlyMap<string, number>): Promise<boolean>
  /** The low-water mark: every entry up to and including it is acknowledged. */
  mark(): Promise<string>
  /** True when a replay has read and acknowledged everything up to `until`. */
  finished(): Promise<boolean>
  /** Leaves the group; entries still held stay for others to claim. */
  leave(): Promise<void>
}

/** An entry at rest: in a domain's stream, among dead letters, or parked. */
export interface StoredEntry {
  readonly id: string
  readonly fields: Readonly<Record<string, string>>
}

/** Where a group stands, in entries and in milliseconds by the entries' own ids. */
export interface GroupHealth {
  /** Not delivered yet. When the server cannot tell they are counted, up to 10,000. */
  readonly lag: number
  readonly pending: number
  readonly due: number
  readonly parked: number
  readonly dead: number
  /** When the oldest entry not acknowledged was added, in milliseconds since 1970; undefined when there is none. */
  readonly oldestMs: number | undefined
}

export interface GroupOperations {
  /** Oldest first, after an id ('0-0' for the first page). */
  deadLetters(after: string, count: number): Promise<readonly StoredEntry[]>
  parked(after: string, count: number): Promise<readonly StoredEntry[]>
  /** Delivers a dead letter again, to this group only, its attempts reset; false when it is gone. */
  redrive(id: string): Promise<boolean>
  /** Destroys a dead letter; a key that waited for it goes on. False when it is gone. */
  purge(id: string): Promise<boolean>
  health(): Promise<GroupHealth>
  /** Creates the group, to read what comes after an id. Live groups are created by joining them. */
  create(after: string): Promise<void>
  /** How far a replay was fed (undefined: not at all), and how many entries it is to have again and has not finished. */
  fed(): Promise<{ readonly position: string | undefined; readonly waiting: number }>
  /**
   * Delivers archived entries to this group only and remembers `until` as how far it was fed, both or neither. False when
   * it is not fed up to `after` any more, because another process was faster, or when the group is gone.
   */
  feed(
    entries: readonly StoredEntry[],
    range: { readonly after: string; readonly until: string },
  ): Promise<boolean>
  /** Destroys the group and everything put aside for it, dead letters excepted. */
  remove(): Promise<void>
}
