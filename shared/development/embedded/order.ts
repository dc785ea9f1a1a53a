/** What a keeper is asked to run: the first line it reads. The second line on, it reads only `Command`s. */
export type Order = PostgresOrder | RedisOrder

interface Place {
  /** Folder for everything the server writes; kept when the server ends. Without one: a temporary folder, removed. */
  readonly folder?: string | undefined
  /** Loopback port; without one a free one is taken. */
  readonly port?: number | undefined
}

export interface PostgresOrder extends Place {
  readonly kind: 'postgres'
  /** `false` gives up surviving a power cut (fsync off) for speed: right for tests. */
  readonly durable: boolean
}

export interface RedisOrder extends Place {
  readonly kind: 'redis'
  readonly server: RedisServer
  /** Writes an append-only file, so that what was acknowledged survives a restart. */
  readonly appendOnly: boolean
  /** Further arguments of the program. */
  readonly args: readonly string[]
}

/** A program on this machine, or an image that the `docker` command runs. */
export type RedisServer = { readonly binary: string } | { readonly image: string }

export type Command = 'restart'

/** What a keeper answers, one JSON value a line. */
export type Report =
  | {
      readonly type: 'ready'
      readonly url: string
      readonly port: number
      readonly pid: number
      readonly folder: string
    }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'crashed'; readonly reason: string }
