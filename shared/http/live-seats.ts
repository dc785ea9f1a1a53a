import { SharedError } from './problem-errors.ts'

/** How many watch events, in all and of each user. A place is taken before the watching begins. */
export class LiveSeats {
  readonly #maxClients: number
  readonly #maxClientsPerUser: number
  readonly #taken = new Map<number, number>()
  #all = 0

  constructor({
    maxClients = 1000,
    maxClientsPerUser = 10,
  }: { readonly maxClients?: number; readonly maxClientsPerUser?: number }) {
    this.#maxClients = maxClients
    this.#maxClientsPerUser = maxClientsPerUser
  }

  /**
   * @returns what gives the place back; may be called again.
   * @throws {SharedError} `RATE_LIMITED` when the user has too many, `SERVICE_BUSY` when all have.
   */
  take(userId: number): () => void {
    const headers = { 'retry-after': '5' }
    const mine = this.#taken.get(userId) ?? 0
    if (mine >= this.#maxClientsPerUser)
      throw new SharedError('RATE_LIMITED', 'You watch in too many places already', { headers })
    if (this.#all >= this.#maxClients)
      throw new SharedError('SERVICE_BUSY', 'Too many clients watch already', { headers })
    this.#add(userId, 1)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#add(userId, -1)
    }
  }

  #add(userId: number, change: 1 | -1): void {
    this.#all += change
    const mine = (this.#taken.get(userId) ?? 0) + change
    if (mine === 0) this.#taken.delete(userId)
    else this.#taken.set(userId, mine)
  }
}
