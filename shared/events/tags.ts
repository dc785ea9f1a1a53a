import type { Envelope } from './envelope.ts'

/** Shards a domain, so that one busy domain spreads over servers and ordered readers; absent: one stream. */
export type Shards = Readonly<Record<string, number>>

/** Every tag of a domain. */
export function tagsOf(domain: string, shards: Shards): readonly string[] {
  const count = shards[domain] ?? 1
  return count === 1 ? [domain] : Array.from({ length: count }, (_, shard) => `${domain}:${shard}`)
}

/** The tag of a key: the same in every process and for ever, or order is lost. */
export function tagOf(domain: string, key: string, shards: Shards): string {
  const count = shards[domain] ?? 1
  return count === 1 ? domain : `${domain}:${hashOf(key) % count}`
}

/** The tag of the stream that carries an event. */
export function tagOfEvent({ type, partitionkey, id }: Envelope, shards: Shards): string {
  return tagOf(domainOf(type), partitionkey ?? id, shards)
}

/** `user` of `user.created`. */
export function domainOf(type: string): string {
  return type.slice(0, type.indexOf('.'))
}

/** FNV-1a over UTF-16 units, 32 bits, without a sign: the same in every release. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
