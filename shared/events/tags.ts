/** Shards a domain, so that one busy domain spreads over servers and ordered readers; absent: one stream. */
export type Shards = Readonly<Record<string, number>>

/** Every tag of a domain. */
export function tagsOf(domain: string, shards: Shards): readonly string[] {
  const count = shards[domain] ?? 1
  return count === 1 ? [domain] : Array.from({ length: count }, (_, shard) => `${domain}:${shard}`)
}

/** The tag of a key: the same in every process and for ever, or order is lost. FNV-1a, 32 bits. */
export function tagOf(domain: string, key: string, shards: Shards): string {
  const count = shards[domain] ?? 1
  if (count === 1) return domain
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return `${domain}:${(hash >>> 0) % count}`
}
