import { contracts, createRegistry } from '@kiln/shared'
import { NotificationSend } from '@kiln/shared/contracts/notification'
import { AccessEnded, HealthChecked, SystemError } from '@kiln/shared/contracts/system'
import { UserCreated, UserUpdated, UserVerified } from '@kiln/shared/contracts/user'
import { type EventsConfig, openServiceEvents, type ServiceEventsOptions } from '@kiln/shared/service'
import { auditEvents } from './audit-trail.ts'
import type { Schema } from './database/schema.ts'

/** Every event that the service knows; its own contracts are added here. */
export const registry = createRegistry(contracts)

/** What the service publishes, as its documentation says. */
export const published = [
  UserCreated,
  UserUpdated,
  UserVerified,
  NotificationSend,
  AccessEnded,
  HealthChecked,
  SystemError,
]

/** The domains whose events this service owns: it alone trims their streams. */
const ownedDomains = ['user']

/** The service's events, on Redis or in memory. @throws when Redis does not answer in time. */
export function openEvents(
  config: EventsConfig & { readonly databaseUrl: string },
  options: Omit<ServiceEventsOptions<Schema>, 'registry' | 'ownedDomains' | 'record'>,
) {
  const { databaseUrl } = config
  const record = auditEvents(options.db)
  return openServiceEvents(config, { databaseUrl, registry, ownedDomains, record, ...options })
}
