import { AccessEnded } from '../events/contracts/system.ts'
import { fromStructured } from '../events/envelope.ts'
import type { Events } from '../events/events.ts'
import type { EventLogger } from '../events/observer.ts'
import type { Transports } from '../events/transports.ts'
import { currentRequest, type RequestObserver } from '../http/request-context.ts'
import type { EndedLogins } from '../security/ended-logins.ts'

const ending = new WeakSet<Request>()

/** Says that the request being served may end somebody's access; outside of one it does nothing. */
export function endsAccess(): void {
  const request = currentRequest()?.request
  if (request) ending.add(request)
}

/** Hastens what every process of the service learns of ended access; that it learns of it depends on none of this. */
export interface AccessHints {
  /** Has this process read at once, and the others, after a request that called {@link endsAccess}. */
  readonly observeRequest: RequestObserver
  /** Listens to the others. @returns what ends that. */
  readonly start: () => Promise<() => Promise<void>>
}

export interface AccessHintsOptions {
  readonly events: Pick<Events, 'service' | 'publish'>
  readonly transports: Pick<Transports, 'broadcasts'>
  readonly endedLogins: Pick<EndedLogins, 'refresh'>
  readonly logger: EventLogger
}

export function createAccessHints({
  events,
  transports,
  endedLogins,
  logger,
}: AccessHintsOptions): AccessHints {
  const unheard = (err: unknown) => logger.debug({ err }, 'a hint of ended access came to nothing')
  const refresh = () => void endedLogins.refresh().catch(unheard)

  return {
    observeRequest({ request }) {
      if (!ending.delete(request)) return
      refresh()
      events.publish(AccessEnded, { service: events.service }).catch(unheard)
    },
    start() {
      return transports.broadcasts.listen(AccessEnded.name, (message) => {
        if (isOf(events.service, message)) refresh()
      })
    },
  }
}

function isOf(service: string, message: string): boolean {
  try {
    return fromStructured(message).source === service
  } catch {
    return false
  }
}
