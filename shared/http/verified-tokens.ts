/** Tokens whose signature and claims were checked already. */
export interface VerifiedTokens<Principal> {
  /** Whom the token stands for; undefined where it was never remembered, is forgotten or has expired. */
  readonly find: (token: string) => Principal | undefined
  /** @param expiresAtSeconds the token's `exp`, seconds since the epoch. */
  readonly remember: (token: string, principal: Principal, expiresAtSeconds: number) => void
}

/**
 * Remembers verified tokens until the very second they expire: verifying one costs more than all the rest of a small
 * request. Only what was verified comes in, so nobody can fill it with rubbish; beyond `maxTokens` the oldest goes.
 */
export function verifiedTokens<Principal>({
  now,
  maxTokens = 5000,
}: {
  /** The time, milliseconds since the epoch. */
  now: () => number
  maxTokens?: number
}): VerifiedTokens<Principal> {
  const entries = new Map<string, { principal: Principal; expiresAtMs: number }>()

  return {
    find(token) {
      const entry = entries.get(token)
      if (entry === undefined) return undefined
      if (now() < entry.expiresAtMs) return entry.principal
      entries.delete(token)
      return undefined
    },
    remember(token, principal, expiresAtSeconds) {
      entries.set(token, { principal, expiresAtMs: expiresAtSeconds * 1000 })
      if (entries.size <= maxTokens) return
      const [oldest] = entries.keys()
      if (oldest !== undefined) entries.delete(oldest)
    },
  }
}
