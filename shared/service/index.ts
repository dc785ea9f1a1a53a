export { type AccessHints, type AccessHintsOptions, createAccessHints, endsAccess } from './access-hints.ts'
export { createEdge, type EdgeConfig, type EdgeFrame, type EdgeOptions } from './edge.ts'
export {
  describeEvents,
  type EventDocsConfig,
  type EventDocsOptions,
  eventDocsConfigKeys,
} from './event-docs.ts'
export {
  type EventsConfig,
  eventSettings,
  eventsConfigKeys,
  inboxWeakness,
  parseHeldBack,
  parseShards,
} from './event-settings.ts'
export { openServiceEvents, type ServiceEvents, type ServiceEventsOptions } from './events.ts'
export { limitSettings } from './limit-settings.ts'
export { type OutboxConfig, openServiceOutbox, outboxConfigKeys } from './outbox.ts'
export { createSystemEvents, type SystemEvents, type SystemEventsOptions } from './system-events.ts'
