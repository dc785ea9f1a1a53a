import type { EventLogger } from '../observer.ts'
import type { BroadcastTransport } from '../transport.ts'
import { type Connect, connectionOptions, type RedisClient, ready, within } from './connections.ts'
import { channelName } from './keys.ts'

export interface RedisPubSubOptions {
  readonly connect: Connect
  readonly publish: RedisClient
  readonly logger: EventLogger
  readonly prefix: string
  readonly timeoutMs: number
}

/**
 * Broadcasts on Redis Pub/Sub; one listening connection a process, opened by the first listener.
 *
 * @see https://redis.io/docs/latest/develop/pubsub/
 */
export class RedisPubSub implements BroadcastTransport {
  readonly #options: RedisPubSubOptions
  readonly #listeners = new Map<string, Set<(message: string) => void>>()
  #connection: RedisClient | undefined

  constructor(options: RedisPubSubOptions) {
    this.#options = options
  }

  get listening(): boolean {
    return this.#connection !== undefined
  }

  async send(name: string, message: string): Promise<void> {
    const { publish, prefix, timeoutMs } = this.#options
    await ready(publish, timeoutMs)
    await within(publish, timeoutMs, publish.publish(channelName(prefix, name), message))
  }

  async listen(name: string, receive: (message: string) => void): Promise<() => Promise<void>> {
    const channel = channelName(this.#options.prefix, name)
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners)
    listeners.add(receive)
    const connection = this.#connected()
    await connection.subscribe(channel)
    return async () => {
      listeners.delete(receive)
      if (listeners.size > 0 || this.#listeners.get(channel) !== listeners) return
      this.#listeners.delete(channel)
      if (connection.status === 'ready') await connection.unsubscribe(channel)
    }
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    this.#connection?.disconnect()
  }

  #connected(): RedisClient {
    if (this.#connection) return this.#connection
    const connection = this.#options.connect('listen', connectionOptions('listen', this.#options.timeoutMs))
    connection.on('error', (error: unknown) => {
      this.#options.logger.debug({ err: error }, 'the listening connection failed')
    })
    connection.on('message', (channel: string, message: string) => {
      for (const receive of this.#listeners.get(channel) ?? []) receive(message)
    })
    this.#connection = connection
    return connection
  }
}
