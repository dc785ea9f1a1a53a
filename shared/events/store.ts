/** What is remembered about a subscription besides what Redis knows of its group. */
export interface SubscriptionRecord {
  readonly group: string
  /** The service that declared it. */
  readonly owner: string
  readonly name: string
  readonly events: readonly string[]
  readonly tags: readonly string[]
  readonly paused: boolean
  /** Milliseconds since 1970 when a member was last alive. */
  readonly heardAtMs: number
}

/**
 * Keeps what must outlive the event server: where a database is, it belongs there.
 *
 * Low-water marks may be older than the truth (events come again) and never newer (events would be lost).
 */
export interface SubscriptionStore {
  /** True when one service has the store to itself, so that a record of another owner means it was renamed. */
  readonly exclusive: boolean
  /** Adds or updates; an existing record keeps `paused`. */
  register(record: Omit<SubscriptionRecord, 'paused'>): Promise<void>
  list(): Promise<readonly SubscriptionRecord[]>
  heard(group: string, atMs: number): Promise<void>
  /** False when no such subscription is registered. */
  setPaused(group: string, paused: boolean): Promise<boolean>
  isPaused(group: string): Promise<boolean>
  mark(group: string, tag: string): Promise<string | undefined>
  saveMark(group: string, tag: string, mark: string): Promise<void>
  remove(group: string): Promise<void>
}

/** Keeps them in this process: for the in-memory transport and for tests. */
export function memoryStore(): SubscriptionStore {
  const records = new Map<string, SubscriptionRecord>()
  const marks = new Map<string, string>()
  const change = (group: string, part: Partial<SubscriptionRecord>) => {
    const record = records.get(group)
    if (record) records.set(group, { ...record, ...part })
    return record !== undefined
  }
  return {
    exclusive: true,
    register: async (record) => {
      records.set(record.group, { ...record, paused: records.get(record.group)?.paused ?? false })
    },
    list: async () => [...records.values()],
    heard: async (group, heardAtMs) => void change(group, { heardAtMs }),
    setPaused: async (group, paused) => change(group, { paused }),
    isPaused: async (group) => records.get(group)?.paused ?? false,
    mark: async (group, tag) => marks.get(`${group} ${tag}`),
    saveMark: async (group, tag, mark) => void marks.set(`${group} ${tag}`, mark),
    remove: async (group) => {
      for (const tag of records.get(group)?.tags ?? []) marks.delete(`${group} ${tag}`)
      records.delete(group)
    },
  }
}
