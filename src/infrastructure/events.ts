import { contracts, createRegistry } from '@kiln/shared'
import { postgresReplayJobs, postgresStore } from '@kiln/shared/postgres'
import { type EventsConfig, openServiceEvents, type ServiceEventsOptions } from '@kiln/shared/service'
import { auditEvents } from './audit-trail.ts'
import type { Database } from './database/connection.ts'

/** Every event that the service knows; its own contracts are added here. */
export const registry = createRegistry(contracts)

/** The domains whose events this service owns: it alone trims their streams. */
const ownedDomains = ['user']

type Options = Omit<ServiceEventsOptions, 'registry' | 'ownedDomains'>

/** The service's events, on Redis or in memory. @throws when Redis does not answer in time. */
export function openEvents(config: EventsConfig, options: Options) {
  return openServiceEvents(config, { registry, ownedDomains, ...options })
}

/** What must outlive Redis: subscriptions, replays and the audit trail. */
export function keptIn(db: Database): Pick<Options, 'store' | 'replays' | 'record'> {
  return { store: postgresStore(db), replays: postgresReplayJobs(db), record: auditEvents(db) }
}
