export { addEventCommands } from './events.ts'
export type { EventCommandsOptions } from './options.ts'
export { addOutboxCommands, type OutboxCommandsOptions } from './outbox.ts'
export { askReadiness } from './readiness.ts'
