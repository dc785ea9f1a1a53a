import type { PublishData, StreamContract } from '../events/event.ts'
import type { Events } from '../events/events.ts'
import type { EventLogger } from '../events/observer.ts'

/** Publishes what is committed already: the caller has succeeded, so a failure is logged and not thrown. */
export type Announce = <C extends StreamContract>(contract: C, data: PublishData<C>) => Promise<void>

export function createAnnounce(events: Pick<Events, 'publish'>, logger: EventLogger): Announce {
  return async (contract, data) => {
    try {
      await events.publish(contract, data)
    } catch (error) {
      logger.error({ err: error, event_type: contract.name }, 'a committed change was not published')
    }
  }
}
