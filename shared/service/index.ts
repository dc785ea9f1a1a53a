export { type Announce, createAnnounce } from './announce.ts'
export {
  type EventsConfig,
  eventSettings,
  eventsConfigKeys,
  parseHeldBack,
  parseShards,
} from './event-settings.ts'
export { openServiceEvents, type ServiceEvents, type ServiceEventsOptions } from './events.ts'
