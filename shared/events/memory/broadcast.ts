import type { BroadcastTransport } from '../transport.ts'
import type { MemoryBroker } from './streams.ts'

/** Broadcasts within this process; listeners are called after `send` has returned, as over a network. */
export class MemoryBroadcast implements BroadcastTransport {
  readonly #broker: MemoryBroker
  readonly #mine = new Map<(message: string) => void, string>()

  constructor(broker: MemoryBroker) {
    this.#broker = broker
  }

  async send(name: string, message: string): Promise<void> {
    for (const receive of this.#broker.listeners.get(name) ?? []) queueMicrotask(() => receive(message))
  }

  async listen(name: string, receive: (message: string) => void): Promise<() => Promise<void>> {
    const listeners = this.#broker.listeners.get(name) ?? new Set()
    this.#broker.listeners.set(name, listeners)
    listeners.add(receive)
    this.#mine.set(receive, name)
    return async () => void listeners.delete(receive)
  }

  async close(): Promise<void> {
    for (const [receive, name] of this.#mine) this.#broker.listeners.get(name)?.delete(receive)
  }
}
