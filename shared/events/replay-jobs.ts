/** What a replay reads of one tag: entries after one id, up to another. */
export interface ReplayPart {
  readonly tag: string
  readonly after: string
  readonly until: string
  /** Before that, what the stream keeps no longer. */
  readonly archive?: { readonly after: string; readonly until: string }
}

/** A replay as it is stored: it survives the process that runs it. */
export interface ReplayJob {
  readonly id: string
  readonly service: string
  readonly subscription: string
  /** Names of the events it handles. */
  readonly events: readonly string[]
  /** Its own group: the live one is not touched. */
  readonly group: string
  readonly parts: readonly ReplayPart[]
  readonly perSecond: number | undefined
  readonly total: number
  /** Handled so far, about: saved every second, and again after a crash. */
  readonly done: number
  readonly status: 'running' | 'done' | 'cancelled'
  /** Milliseconds since 1970. */
  readonly createdAtMs: number
}

/** Keeps replays: in the database where there is one. */
export interface ReplayJobs {
  put(job: ReplayJob): Promise<void>
  /** Newest first. */
  list(): Promise<readonly ReplayJob[]>
  advance(id: string, count: number): Promise<void>
  /** Ends a running job; false when it was not running. */
  end(id: string, status: 'done' | 'cancelled'): Promise<boolean>
}

/** Keeps them in this process. */
export function memoryReplayJobs(): ReplayJobs {
  const jobs = new Map<string, ReplayJob>()
  return {
    put: async (job) => void jobs.set(job.id, job),
    list: async () => [...jobs.values()].reverse(),
    advance: async (id, count) => {
      const job = jobs.get(id)
      if (job) jobs.set(id, { ...job, done: job.done + count })
    },
    end: async (id, status) => {
      const job = jobs.get(id)
      if (job?.status !== 'running') return false
      jobs.set(id, { ...job, status })
      return true
    },
  }
}
