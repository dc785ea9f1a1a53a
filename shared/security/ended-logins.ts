import { withinTime } from '../deadline.ts'

/** What an access token says of the login that it came from. */
export interface LoginClaims {
  readonly userId: number
  /** The login; every token that came from it carries it. */
  readonly loginId: string
  /** The user's `token_version` when the token was made. */
  readonly version: number
}

/** Whose access has ended. */
export interface EndedAccess {
  /** Tokens below the version are not good any more. */
  readonly users: readonly { readonly id: number; readonly version: number }[]
  readonly logins: readonly { readonly id: string }[]
}

/** `unknown`: what is known is too old to tell. */
export type LoginState = 'open' | 'ended' | 'unknown'

export interface EndedLoginsOptions {
  /**
   * Reads whose access was ended in the last so many seconds, by the clock of whoever keeps that: no clock of ours
   * is compared with it.
   */
  readonly read: (withinSeconds: number) => Promise<EndedAccess>
  /** The life of an access token: what ended longer ago has no token left. */
  readonly ttlSeconds: number
  readonly everyMs?: number
  /** What was read longer ago decides nothing. Default 5,000. */
  readonly maxAgeMs?: number
  /** Told of the first failure to read after a success. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** A clock that never goes back, milliseconds. */
  readonly now?: () => number
}

/** Which logins have ended, as every process of the service learns within `maxAgeMs` of its commit. */
export interface EndedLogins {
  /** Reads first, a second at most, where what is known is too old. */
  readonly stateOf: (login: LoginClaims) => LoginState | Promise<LoginState>
  /**
   * Tells, once, when a login has ended (`revoked`), or when it cannot be known any more (`unavailable`).
   *
   * @returns what stops listening.
   */
  readonly watch: (login: LoginClaims, listener: (reason: 'revoked' | 'unavailable') => void) => () => void
  /** Reads what has ended until now: a hint that something has. @throws what `read` throws. */
  readonly refresh: () => Promise<void>
  /** Reads every `everyMs`. @returns what ends that. */
  readonly start: () => () => Promise<void>
}

/** Longer than from the statement that ends a login to its commit, which is when others can see it. */
const overlapMs = 60_000

const longestWaitMs = 1000

/**
 * Keeps in memory whose access has ended while a token of theirs may still live: about 100 bytes each.
 *
 * It reads again and again, every time a little further back than the time before. What it read too long ago decides nothing:
 * with the database away nobody is let in, because a login may have ended there.
 */
export function createEndedLogins(options: EndedLoginsOptions): EndedLogins {
  const { read, ttlSeconds, everyMs = 1000, maxAgeMs = 5000, onError } = options
  const { now = () => performance.now() } = options
  const tokenLifeMs = ttlSeconds * 1000
  const versions = new Expiring<number, number>()
  const logins = new Expiring<string, true>()
  const watchers = new Set<{ login: LoginClaims; tell: (reason: 'revoked' | 'unavailable') => void }>()
  let asOfMs = Number.NEGATIVE_INFINITY
  let failing = false
  let reading: Promise<void> | undefined

  const readOnce = async (): Promise<void> => {
    const startedMs = now()
    const ended = await read((Math.min(tokenLifeMs, startedMs - asOfMs) + overlapMs) / 1000)
    const untilMs = now() + tokenLifeMs + overlapMs
    for (const { id, version } of ended.users)
      versions.set(id, Math.max(version, versions.get(id) ?? 0), untilMs)
    for (const { id } of ended.logins) logins.set(id, true, untilMs)
    versions.forget(startedMs)
    logins.forget(startedMs)
    asOfMs = startedMs
    failing = false
    tellWatchers()
  }

  const readSoon = (): Promise<void> => {
    reading ??= readOnce().finally(() => {
      reading = undefined
    })
    return reading
  }

  // What is being read may have been looked up before that which is hinted at was there.
  const refresh = async (): Promise<void> => {
    await reading?.catch(() => {})
    await readSoon()
  }

  const known = ({ userId, loginId, version }: LoginClaims): LoginState => {
    if (logins.get(loginId) || version < (versions.get(userId) ?? 0)) return 'ended'
    return now() - asOfMs <= maxAgeMs ? 'open' : 'unknown'
  }

  const tellWatchers = (): void => {
    for (const { login, tell } of watchers) {
      const state = known(login)
      if (state !== 'open') tell(state === 'ended' ? 'revoked' : 'unavailable')
    }
  }

  const turn = (): void => {
    tellWatchers()
    readSoon().catch((error) => {
      if (!failing) onError?.(error)
      failing = true
    })
  }

  return {
    refresh,
    stateOf(login) {
      const state = known(login)
      if (state !== 'unknown') return state
      const read = readSoon().catch(() => {})
      return withinTime(read, longestWaitMs, undefined).then(() => known(login))
    },
    watch(login, listener) {
      const watcher = {
        login,
        tell(reason: 'revoked' | 'unavailable') {
          watchers.delete(watcher)
          listener(reason)
        },
      }
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    start() {
      turn()
      const timer = setInterval(turn, everyMs)
      return async () => {
        clearInterval(timer)
        await reading?.catch(() => {})
      }
    },
  }
}

/** A map whose entries go in the order in which they were last set. */
class Expiring<Key, Value> {
  readonly #entries = new Map<Key, { value: Value; untilMs: number }>()

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value
  }

  set(key: Key, value: Value, untilMs: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, untilMs })
  }

  forget(nowMs: number): void {
    for (const [key, { untilMs }] of this.#entries) {
      if (untilMs > nowMs) return
      this.#entries.delete(key)
    }
  }
}
