export { type Announce, createAnnounce } from './announce.ts'
export { type EventsConfig, eventSettings, eventsConfigKeys, parseHeldBack } from './event-settings.ts'
export { openServiceEvents, type ServiceEvents, type ServiceEventsOptions } from './events.ts'
export { createSystemEvents, type SystemEvents, type SystemEventsOptions } from './system-events.ts'
