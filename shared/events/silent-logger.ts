import type { EventLogger } from './observer.ts'

const quiet = () => {}

/** For events whose outcome is all that matters: descriptions and tests. */
export const silentLogger: EventLogger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
