import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import type { Live, LiveEvent } from '../events/live/live.ts'
import type { Auth } from './auth.ts'
import { bearerAuth } from './docs.ts'
import { LiveSeats } from './live-seats.ts'
import { SharedError } from './problem-errors.ts'
import type { Principal } from './request-context.ts'

export interface LiveEventRoutesOptions<Role extends string> {
  readonly auth: Auth<Role>
  readonly live: Live
  /** Below the ten seconds after which Bun ends a connection that is idle. Default 5,000. */
  readonly heartbeatMs?: number
  /** What may wait for a client that reads slowly, bytes; beyond, it is cut off. Default 1 MiB. */
  readonly maxBufferBytes?: number
  /** More than so many at once are answered 503. Default 1,000. */
  readonly maxClients?: number
  /** More than so many at once of one user are answered 429. Default 10. */
  readonly maxClientsPerUser?: number
  readonly now?: () => number
}

const Headers = Type.Object({ 'last-event-id': Type.Optional(Type.String()) })
const Query = Type.Object({
  types: Type.Optional(
    Type.String({ maxLength: 2000, description: 'names, separated by commas; default all' }),
  ),
})

/**
 * `GET /api/events/live`: events as they happen, as server-sent events.
 *
 * Each carries the id of its entry, so a client that comes back with `Last-Event-ID` misses nothing that is kept;
 * broadcasts have none. A client sees what each contract's `visible` lets it see, until its access token expires: a login
 * that is revoked, or a role that changes, ends it then and no sooner, as it does every other use of that token.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function liveEventRoutes<Role extends string>(options: LiveEventRoutesOptions<Role>) {
  const { auth } = options
  const seats = new LiveSeats(options)
  return new Elysia({ name: 'live-events', detail: { tags: ['events'], security: bearerAuth } })
    .use(auth.authenticated)
    .get(
      '/api/events/live',
      async ({ principal, expiresAtMs, headers, query, request }) => {
        const after = lastEventId(headers['last-event-id'])
        const types = query.types === undefined ? undefined : new Set(query.types.split(','))
        const leave = seats.take(principal.userId)
        const stream = new EventStream(options, { principal, expiresAtMs, types, leave })
        request.signal.addEventListener('abort', () => stream.close())
        await stream.open(after)
        return new Response(stream.body, {
          headers: {
            'content-type': 'text/event-stream; charset=utf-8',
            'cache-control': 'no-store',
            'x-accel-buffering': 'no',
          },
        })
      },
      { headers: Headers, query: Query, detail: { summary: 'Events as they happen (server-sent events)' } },
    )
}

interface Client {
  readonly principal: Principal
  readonly expiresAtMs: number
  readonly types: ReadonlySet<string> | undefined
  /** Gives its place back; may be called again. */
  readonly leave: () => void
}

/** What one client is sent. Everything that it holds is let go when it ends, however it ends. */
class EventStream {
  readonly body: ReadableStream<Uint8Array>
  readonly #live: Live
  readonly #client: Client
  readonly #maxBufferBytes: number
  readonly #encoder = new TextEncoder()
  readonly #timers: ReturnType<typeof setTimeout>[] = []
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #leave = () => {}
  #wanted = () => {}

  constructor(options: Omit<LiveEventRoutesOptions<string>, 'auth'>, client: Client) {
    const { live, heartbeatMs = 5000, maxBufferBytes = 1024 * 1024, now = Date.now } = options
    this.#live = live
    this.#client = client
    this.#maxBufferBytes = maxBufferBytes
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#wanted(),
        cancel: () => this.close(),
      },
      { highWaterMark: maxBufferBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    )
    this.#timers.push(setInterval(() => this.#write(': heartbeat\n\n'), heartbeatMs))
    this.#timers.push(setTimeout(() => this.#end('expired'), Math.max(0, client.expiresAtMs - now())))
  }

  async open(after: string | undefined): Promise<void> {
    try {
      this.#leave = await this.#live.watch(
        {
          // An id without data: a client that is cut off before its first event comes back to this place.
          begin: (at) => this.#write(`retry: 2000\nid: ${at}\n\n`),
          send: (event) => this.#send(event),
          room: () => this.#room(),
          end: (reason) => this.#end(reason),
        },
        after,
      )
      if (!this.#controller) this.#leave()
    } catch (cause) {
      this.close()
      throw new SharedError('EVENTS_UNAVAILABLE', 'Live events are not to be had now', {
        cause,
        headers: { 'retry-after': '1' },
      })
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#leave()
    this.#client.leave()
    const controller = this.#controller
    this.#controller = undefined
    this.#wanted()
    try {
      controller?.close()
    } catch {
      // The client has gone before.
    }
  }

  #send({ id, contract, data, text }: LiveEvent): void {
    const { principal, types } = this.#client
    if (types && !types.has(contract.name)) return
    if (!contract.visible({ role: principal.role, user_id: principal.userId }, data)) return
    this.#write(`${id === undefined ? '' : `id: ${id}\n`}event: ${contract.name}\ndata: ${text}\n\n`)
  }

  #write(text: string): void {
    const controller = this.#controller
    if (!controller) return
    if ((controller.desiredSize ?? 0) <= 0) this.close()
    else controller.enqueue(this.#encoder.encode(text))
  }

  /** The last words say why, so that a client knows whether to come back. */
  #end(reason: string): void {
    this.#write(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`)
    this.close()
  }

  /** Resolves when half of the buffer is free, or nobody wants any more. */
  async #room(): Promise<void> {
    while (this.#controller && (this.#controller.desiredSize ?? 0) < this.#maxBufferBytes / 2) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve
      })
    }
  }
}

function lastEventId(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d{1,15}-\d{1,20}$/.test(text)) return text
  const errors = [{ path: '/last-event-id', message: 'is not an id of this stream' }]
  throw new SharedError('VALIDATION_FAILED', 'The header is not valid', { errors })
}
