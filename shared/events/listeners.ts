import type { ReceivedEvent } from './consume/subscription.ts'
import { readData, readKey } from './decode.ts'
import { fromStructured } from './envelope.ts'
import { EventError } from './errors.ts'
import type { BroadcastContract } from './event.ts'
import type { EventLogger, EventObserver } from './observer.ts'
import type { BroadcastTransport } from './transport.ts'

type Handle = (event: ReceivedEvent) => unknown

/** Those who listen to broadcasts in this process. */
export class Listeners {
  readonly #broadcasts: BroadcastTransport
  readonly #logger: EventLogger
  readonly #observer: EventObserver
  readonly #declared: { readonly contract: BroadcastContract; readonly handle: Handle }[] = []
  readonly #stops: (() => Promise<void>)[] = []
  #started = false

  constructor({
    broadcasts,
    logger,
    observer,
  }: {
    readonly broadcasts: BroadcastTransport
    readonly logger: EventLogger
    readonly observer: EventObserver
  }) {
    this.#broadcasts = broadcasts
    this.#logger = logger
    this.#observer = observer
  }

  add(contract: BroadcastContract, handle: Handle): void {
    if (contract.delivery !== 'broadcast') {
      throw new EventError('EVENT_SUBSCRIPTION_INVALID', `${contract.name} is durable: subscribe to it`)
    }
    if (this.#started) throw new EventError('EVENT_SUBSCRIPTION_INVALID', 'listen before start')
    this.#declared.push({ contract, handle })
  }

  async start(): Promise<void> {
    this.#started = true
    for (const { contract, handle } of this.#declared) {
      const stop = await this.#broadcasts.listen(
        contract.name,
        (message) => void this.#receive(contract, handle, message),
      )
      this.#stops.push(stop)
    }
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop()
  }

  async #receive(contract: BroadcastContract, handle: Handle, message: string): Promise<void> {
    try {
      const envelope = fromStructured(message)
      const data = readData(contract, envelope)
      const event = {
        id: envelope.id,
        source: envelope.source,
        type: envelope.type,
        time: envelope.time,
        data,
        key: readKey(contract, envelope, data),
        correlationId: envelope.correlationid,
        causationId: envelope.causationid,
        sequence: envelope.sequence,
        entryId: '',
        attempt: 1,
        redelivered: false,
        replay: false,
      }
      const call = async () => {
        await handle(event)
      }
      await (this.#observer.handling ? this.#observer.handling('broadcast', [envelope], call) : call())
    } catch (error) {
      this.#logger.warn({ err: error, type: contract.name }, 'a broadcast could not be handled')
    }
  }
}
