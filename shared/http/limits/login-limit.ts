import { createHmac } from 'node:crypto'
import { AppError } from '../../errors.ts'
import { currentRequest } from '../request-context.ts'
import { ExactCounter } from './exact-counter.ts'
import { clientNetwork } from './ip-address.ts'
import type { LimitServer } from './limit-server.ts'
import type { Standing } from './quota.ts'
import { rateLimited, tellStanding } from './rate-limit-headers.ts'

export interface LoginLimitOptions {
  readonly server: LimitServer
  /** Wrong passwords for one account from one address before it has to wait. */
  readonly points: number
  /** Keyed into the hashes that stand for accounts: Redis is told no e-mail, and nobody can guess it from there. */
  readonly secret: string
  /** What a wrong password is answered with. Default `CREDENTIALS_INVALID`. */
  readonly wrongCode?: string
  readonly rejected: (policy: string) => void
}

/** Stands between a guesser and the passwords. */
export interface LoginLimit {
  /**
   * Lets a login be tried, unless there were too many wrong ones.
   *
   * @param account whatever names it, case regardless.
   * @throws {SharedError} `RATE_LIMITED` without trying.
   */
  readonly attempt: <Result>(account: string, logIn: () => Promise<Result>) => Promise<Result>
}

/** How long wrong passwords are remembered, one by one. */
const windowSeconds = 900
const firstBlockSeconds = 60
const longestBlockSeconds = 3600
/** How long it is remembered how often somebody was blocked. */
const strikesSeconds = 86_400
/** Of an account from everywhere, and of an address for every account: so many times the points of the two together. */
const wider = 20

/**
 * Limits wrong passwords per account and address together, and twenty times as many per account, and per address, alone.
 * Whoever exceeds one waits a minute, the next time two, four, up to an hour; after a day without, it begins anew.
 *
 * Counted before the password is looked at, so that a thousand tries at once are as many as a thousand in a row, and given
 * back unless it was wrong. A login that succeeds clears the account; an address only time does, or it would be cleared by
 * somebody's own login between two guesses. Guessing from many addresses can lock an account out for as long as it goes on.
 */
export function createLoginLimit({
  server,
  points,
  secret,
  wrongCode = 'CREDENTIALS_INVALID',
  rejected,
}: LoginLimitOptions): LoginLimit {
  const both = new GrowingLimit('login', { server, points })
  const byAddress = new GrowingLimit('login-address', { server, points: points * wider })
  const byAccount = new GrowingLimit('login-account', { server, points: points * wider })
  const hash = (text: string) => createHmac('sha256', secret).update(text).digest('base64url').slice(0, 27)

  return {
    async attempt(account, logIn) {
      const context = currentRequest()
      const address = clientNetwork(context?.address() ?? '')
      const name = account.normalize('NFKC').toLowerCase()
      const keys = [
        [both, hash(`${name}\n${address}`)],
        [byAddress, address],
        [byAccount, hash(name)],
      ] as const

      const taken: (typeof keys)[number][] = []
      const giveBack = () => Promise.all(taken.map(([limit, key]) => limit.giveBack(key)))
      for (const [limit, key] of keys) {
        const standing = await limit.take(key)
        const refused = standing.used > standing.quota.points
        if (context && (refused || limit === both)) tellStanding(context, standing)
        if (refused) {
          rejected(standing.quota.policy)
          await giveBack()
          throw rateLimited(standing)
        }
        taken.push([limit, key] as (typeof keys)[number])
      }

      try {
        const result = await logIn()
        await Promise.all([
          both.forget(keys[0][1]),
          byAccount.forget(keys[2][1]),
          byAddress.giveBack(address),
        ])
        return result
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== wrongCode) await giveBack()
        throw error
      }
    },
  }
}

/** A limit whose waits get longer each time it is exceeded. */
class GrowingLimit {
  readonly #counter: ExactCounter
  readonly #strikes: ExactCounter

  constructor(policy: string, { server, points }: { server: LimitServer; points: number }) {
    this.#counter = new ExactCounter({ policy, points, seconds: windowSeconds }, { server })
    const strikes = { policy: `${policy}-strikes`, points: 1, seconds: strikesSeconds }
    this.#strikes = new ExactCounter(strikes, { server })
  }

  async take(key: string): Promise<Standing> {
    const standing = await this.#counter.take(key)
    // Exactly one of those who come at once sees it.
    if (standing.used !== standing.quota.points + 1) return standing
    const { used: strikes } = await this.#strikes.take(key)
    const seconds = Math.min(firstBlockSeconds * 2 ** (strikes - 1), longestBlockSeconds)
    await this.#counter.block(key, seconds)
    return { ...standing, resetMs: seconds * 1000 }
  }

  giveBack(key: string): Promise<void> {
    return this.#counter.giveBack(key)
  }

  async forget(key: string): Promise<void> {
    await Promise.all([this.#counter.forget(key), this.#strikes.forget(key)])
  }
}
