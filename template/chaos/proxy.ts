import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Where a link leads to; asked at each connection, so that it may change. */
export type Target = () => number

/** Shorter replies carry no entries: there would be nothing to lose. */
const leastReplyBytes = 600

/** The network between one process and one server: a TCP proxy on a loopback port, whole until a fault is asked for. */
export class Link {
  readonly name: string
  readonly #target: Target
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #state: 'open' | 'cut' | 'silent' = 'open'
  #delayMs = 0
  #cutNextReply: (() => void) | undefined

  private constructor(name: string, target: Target) {
    this.name = name
    this.#target = target
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client))
  }

  static async open(name: string, target: Target): Promise<Link> {
    const link = new Link(name, target)
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Breaks every connection, and each new one, for so long. */
  async cut(durationMs: number): Promise<void> {
    this.#state = 'cut'
    this.reset()
    await delay(durationMs)
    this.#state = 'open'
  }

  /**
   * Passes half of the next reply that may carry entries on, then breaks its connection: the server has delivered them, and
   * nobody got them. Gives whether such a reply came in time.
   */
  async cutReply(withinMs: number): Promise<boolean> {
    const waiting = new AbortController()
    this.#cutNextReply = () => waiting.abort()
    await delay(withinMs, undefined, { signal: waiting.signal }).catch(() => {})
    this.#cutNextReply = undefined
    return waiting.signal.aborted
  }

  /** Holds back every byte in both directions for so long. */
  async delay(byMs: number, durationMs: number): Promise<void> {
    this.#delayMs = byMs
    await delay(durationMs)
    this.#delayMs = 0
  }

  /** Takes connections and bytes and passes nothing on, for so long; then breaks what it has swallowed of. */
  async halfOpen(durationMs: number): Promise<void> {
    this.#state = 'silent'
    await delay(durationMs)
    this.reset()
    this.#state = 'open'
  }

  /** Breaks every connection there is. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.reset()
    await closed
  }

  #accept(client: Socket): void {
    client.on('error', () => {})
    if (this.#state === 'cut') {
      client.destroy()
      return
    }
    const server = connect({ port: this.#target(), host: '127.0.0.1', noDelay: true })
    server.on('error', () => {})
    const pair = [client, server] as const
    this.#pairs.add(pair)
    this.#pass(client, server)
    this.#pass(server, client, (reply) => this.#cutsShort(reply, client))
    const end = () => {
      this.#pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    client.once('close', end)
    server.once('close', end)
  }

  #cutsShort(reply: Buffer, client: Socket): boolean {
    if (this.#cutNextReply === undefined || reply.length < leastReplyBytes) return false
    this.#cutNextReply()
    this.#cutNextReply = undefined
    client.end(reply.subarray(0, reply.length / 2))
    return true
  }

  #pass(from: Socket, to: Socket, swallows: (chunk: Buffer) => boolean = () => false): void {
    const held: { readonly chunk: Buffer; readonly due: number }[] = []
    const send = (chunk: Buffer) => {
      if (!to.write(chunk)) from.pause()
    }
    // One timer for the first alone: two could fire in the wrong order.
    const release = () => {
      for (let first = held[0]; first !== undefined; first = held[0]) {
        const leftMs = first.due - performance.now()
        if (leftMs > 0) {
          setTimeout(release, leftMs)
          return
        }
        held.shift()
        send(first.chunk)
      }
    }
    from.on('data', (chunk: Buffer) => {
      if (this.#state !== 'open' || to.writableEnded || swallows(chunk)) return
      if (this.#delayMs === 0 && held.length === 0) send(chunk)
      else if (held.push({ chunk, due: performance.now() + this.#delayMs }) === 1) release()
    })
    to.on('drain', () => from.resume())
  }
}
