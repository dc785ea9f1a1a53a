/**
 * Names of everything kept in Redis. All keys of one tag share the hash tag `{tag}`, so that in a cluster one
 * script, or one XREADGROUP, may touch them together.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */
export interface GroupKeys {
  readonly stream: string
  /** Sorted set of whole entries by the time they are tried again, in milliseconds of the server's clock. */
  readonly due: string
  /** Stream of what is delivered again to this group only. */
  readonly again: string
  /** How far a replay was fed from the archive. */
  readonly fed: string
  readonly dead: string
  readonly parked: string
  /** Ordered groups: hash of held key to the origin id it waits for. */
  readonly held: string
  /** Ordered groups: who may read. */
  readonly leader: string
}

export function streamKey(prefix: string, tag: string): string {
  return `${prefix}:{${tag}}`
}

export function groupKeys(prefix: string, tag: string, group: string): GroupKeys {
  const stream = streamKey(prefix, tag)
  return {
    stream,
    due: `${stream}:due:${group}`,
    again: `${stream}:again:${group}`,
    fed: `${stream}:fed:${group}`,
    dead: `${stream}:dead:${group}`,
    parked: `${stream}:parked:${group}`,
    held: `${stream}:held:${group}`,
    leader: `${stream}:leader:${group}`,
  }
}

/** Ordered groups: list of whole entries that wait behind one held key. */
export function behindKey(keys: GroupKeys, key: string): string {
  return `${keys.held}:${key}`
}

/** Exists while the consumer's process lives. */
export function aliveKey(keys: GroupKeys, group: string, consumer: string): string {
  return `${keys.stream}:alive:${group}:${consumer}`
}

export interface TagKeys {
  readonly stream: string
  /** Hash of the identities of events added of late to the ids of their entries. */
  readonly seen: string
  /** The generation of identities before. */
  readonly seenBefore: string
  /** Exists while the stream is at its cap. */
  readonly full: string
  /** The id below which retention has trimmed the stream. */
  readonly trimmed: string
}

export function tagKeys(prefix: string, tag: string): TagKeys {
  const stream = streamKey(prefix, tag)
  return {
    stream,
    seen: `${stream}:seen`,
    seenBefore: `${stream}:seen:old`,
    full: `${stream}:full`,
    trimmed: `${stream}:trimmed`,
  }
}

/** Pub/Sub ignores database numbers: services that share a server differ in their prefix. */
export function channelName(prefix: string, event: string): string {
  return `${prefix}:live:${event}`
}
