import type { EventContract } from '../event.ts'
import type { Inbox } from '../inbox.ts'
import type { BatchHandler, Subscription, TransactionContext } from './subscription.ts'

/** Runs a handler in the inbox's transaction, with the events that were not handled before. */
export function inTransaction<Trx>(
  inbox: Inbox<Trx>,
  handle: BatchHandler<EventContract, TransactionContext<Trx>>,
): Subscription['handle'] {
  return async (events, call) => {
    const { group, subscription, signal, identities } = call
    call.handles(new Set())
    await inbox.handle(identities, signal, async (trx, fresh) => {
      call.handles(new Set(fresh))
      const context = { group, subscription, signal, trx }
      const ours = fresh.length === events.length ? events : fresh.flatMap((index) => events[index] ?? [])
      await handle(ours, context)
    })
  }
}
