export { addEventCommands } from './events.ts'
export type { EventCommandsOptions } from './options.ts'
