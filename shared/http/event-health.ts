import type { Events } from '../events/events.ts'
import type { Transports } from '../events/transports.ts'
import type { HealthProbe } from './health-report.ts'

export interface EventHealthOptions {
  readonly events: Pick<Events, 'health'>
  /** Redis' own also tell how many connections are open. */
  readonly transports: Pick<Transports, 'streams'> & { readonly connections?: number }
}

/** The event client for `/health`: its connections, what waits and what was given up, all in all and by subscription. */
export function eventHealth({ events, transports }: EventHealthOptions): HealthProbe {
  return async () => {
    const subscriptions = await events.health()
    return {
      status: 'up',
      transport: transports.streams.name,
      ...(transports.connections !== undefined && { connections: transports.connections }),
      lag: subscriptions.reduce((total, { lag }) => total + lag, 0),
      dead_letters: subscriptions.reduce((total, { dead }) => total + dead, 0),
      subscriptions: subscriptions.map(({ subscription, paused, lag, pending, due, parked, dead }) => ({
        subscription,
        paused,
        lag,
        pending,
        due,
        parked,
        dead_letters: dead,
      })),
    }
  }
}
